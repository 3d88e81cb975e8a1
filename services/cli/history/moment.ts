/** How people name moments: revisions, times, and what lies between two of them. */
import type { History, ReadableLog } from "../../../shared/log/history.ts";
import { CompactedError, FutureRevisionError, type Revision } from "../../../shared/store/store.ts";
import { UsageError } from "../usage-error.ts";

/** A moment as it was written, understood but not looked up. */
export type Moment =
  | { readonly type: "revision"; readonly revision: Revision }
  /** That many revisions before the end of the log. */
  | { readonly type: "head"; readonly before: number }
  /** Milliseconds since the Unix epoch. */
  | { readonly type: "time"; readonly time: number };

export interface Range {
  /** Absent: from where history begins. */
  readonly from?: Moment;
  /** Absent: to the end of the log. */
  readonly to?: Moment;
}

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const HELP =
  "Take a revision (4711), HEAD, HEAD~20, a time (2026-01-31T12:00:00Z) or an age (-10m).";

/**
 * Understands `4711`, `HEAD`, `HEAD~20`, `2026-01-31T12:00:00Z`, `-10m`, `-1h30m`.
 * @throws UsageError
 */
export function parseMoment(text: string, now: number): Moment {
  if (/^\d{1,15}$/.test(text)) return { type: "revision", revision: Number(text) };
  const head = /^HEAD(?:~(\d{1,15}))?$/i.exec(text);
  if (head !== null) return { type: "head", before: Number(head[1] ?? 0) };
  if (/^-(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/.test(text)) {
    let age = 0;
    for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
      age += Number(count) * (UNITS[unit as string] as number);
    }
    return { type: "time", time: Math.floor(now - age) };
  }
  // Date.parse takes much more than RFC 3339, and guesses.
  const dated = /^\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:\d\d)?)?$/;
  const time = dated.test(text) ? Date.parse(text.replace(" ", "T")) : Number.NaN;
  if (!Number.isNaN(time)) return { type: "time", time };
  throw new UsageError(`${JSON.stringify(text)} is no moment. ${HELP}`);
}

/** Understands `A..B`, `A..`, `..B` and `A`, which is `A..`. @throws UsageError */
export function parseRange(text: string, now: number): Range {
  const parts = text.split("..");
  if (parts.length > 2) {
    throw new UsageError(`${JSON.stringify(text)} is no range: it takes A..B. ${HELP}`);
  }
  const [from, to] = parts;
  return {
    ...(from ? { from: parseMoment(from, now) } : {}),
    ...(to ? { to: parseMoment(to, now) } : {}),
  };
}

/** The last revision of the log at the moment. */
export async function revisionOf(log: ReadableLog, moment: Moment): Promise<Revision> {
  switch (moment.type) {
    case "revision":
      return moment.revision;
    case "head":
      return Math.max(0, (await log.head()) - moment.before);
    case "time":
      return log.revisionBefore(moment.time + 1);
  }
}

/** `revision 4711 (2026-01-31T12:00:00.000Z)`, with the time when it is known. */
export async function describeRevision(history: History, revision: Revision): Promise<string> {
  const version = await history.version(revision);
  const time = version === undefined ? "" : ` (${new Date(version.time).toISOString()})`;
  return `revision ${revision}${time}`;
}

/** Runs a question; says where history begins and ends when it was asked beyond. */
export async function withinHistory<Result>(
  history: History,
  ask: () => Promise<Result>,
): Promise<Result> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof CompactedError) {
      // The horizon's own version may be gone; the one behind it is the first of the history.
      const first = (await history.version(error.oldest + 1)) ?? undefined;
      const since = first === undefined ? "" : `, ${new Date(first.time).toISOString()}`;
      throw new UsageError(
        `Revision ${error.asked} is older than the history, ` +
          `which begins at revision ${error.oldest}${since}.`,
      );
    }
    if (error instanceof FutureRevisionError) {
      throw new UsageError(
        `Revision ${error.asked} does not exist yet: the log ends at ` +
          `${await describeRevision(history, error.head)}.`,
      );
    }
    throw error;
  }
}
