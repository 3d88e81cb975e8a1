/** `cox export` and `cox import`: a piece of history as a file. */
import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Json } from "../../../shared/api/object.ts";
import { type History, horizonOf, readVersions } from "../../../shared/log/history.ts";
import {
  RECORDING_FORMAT,
  type RecordedLine,
  type RecordedLog,
  type RecordingHead,
} from "../../../shared/log/recording.ts";
import { Scrubber } from "../../../shared/log/scrub.ts";
import type { Revision, Version } from "../../../shared/store/store.ts";
import { pathsOf } from "../cluster.ts";
import { UsageError } from "../usage-error.ts";
import { parseRange, revisionOf, withinHistory } from "./moment.ts";
import type { Output } from "./output.ts";
import { IMPORTED, readRecording } from "./recording-file.ts";

export interface ExportFlags {
  readonly scrub?: readonly string[];
}

/** Commits take a moment; their decisions were made before. */
const BEFORE_MS = 10_000;
const SCRUB_KEY_BYTES = 32;

/** Writes the state as of A, every version up to B, and the decisions, line by line. */
export async function exportHistory(
  history: History,
  range: string,
  { scrub = [] }: ExportFlags,
  output: Output,
): Promise<void> {
  // Of this export alone, and kept nowhere: nobody can try values afterwards.
  const scrubber = new Scrubber(randomBytes(SCRUB_KEY_BYTES), scrub);
  await withinHistory(history, async () => {
    const head = await headOf(history, range, scrub, output.now());
    output.write(`${JSON.stringify(head)}\n`);
    for (const log of ["cluster", "events"] as const) {
      await exportLog(history, log, head.logs[log], (version) => {
        output.write(`${JSON.stringify(lineOf(log, version, scrubber))}\n`);
      });
    }
    const decided = { from: head.begins - BEFORE_MS, to: head.ends };
    await history.eachDecision(decided, (record) => {
      output.write(`${JSON.stringify({ decision: scrubber.decision(record) })}\n`);
    });
  });
}

async function headOf(
  history: History,
  text: string,
  scrubbed: readonly string[],
  now: number,
): Promise<RecordingHead> {
  const { cluster, events } = history.logs;
  const range = parseRange(text, now);
  const from = range.from ? await revisionOf(cluster, range.from) : await horizonOf(cluster);
  const to = range.to ? await revisionOf(cluster, range.to) : await cluster.head();
  if (from > to) throw new UsageError(`Revision ${from} comes after revision ${to}.`);
  // Refuses what is not there before the first line is written.
  await cluster.get("namespaces/_/-", from);
  await cluster.get("namespaces/_/-", to);
  const timeOf = async (revision: Revision) => (await history.version(revision))?.time;
  const ends = (await timeOf(to)) ?? now;
  const begins = (await timeOf(from)) ?? (await timeOf(from + 1)) ?? ends;
  const eventsAt = async (time: number) =>
    Math.max(await horizonOf(events), await events.revisionBefore(time + 1));
  return {
    coxlog: RECORDING_FORMAT,
    logs: {
      cluster: { from, to },
      events: { from: await eventsAt(begins), to: await eventsAt(ends) },
    },
    begins,
    ends,
    scrubbed,
  };
}

async function exportLog(
  { logs }: History,
  log: RecordedLog,
  { from, to }: { from: Revision; to: Revision },
  write: (version: Version) => void,
): Promise<void> {
  const { versions } = from === 0 ? { versions: [] } : await logs[log].list("", from);
  for (const version of versions) write({ ...version, more: false });
  await readVersions(logs[log], { after: from, to }, write);
}

function lineOf(log: RecordedLog, version: Version, scrubber: Scrubber): RecordedLine {
  const { revision, key, time, headers, more, value } = version;
  const object = value === null ? null : scrubber.object(key, JSON.parse(value.toString()) as Json);
  return { log, revision, key, time, headers, ...(more ? { more } : {}), value: object };
}

/** Puts a file into an empty data folder, where every question about the past finds it. */
export async function importHistory(file: string, data: string, output: Output): Promise<void> {
  const paths = pathsOf(data);
  const target = join(data, IMPORTED);
  if (existsSync(paths.settings)) {
    throw new UsageError(
      `There is a cluster in ${data}; name an empty folder with --data DIR, ` +
        `or read the file where it is with --log ${file}.`,
    );
  }
  if (existsSync(target)) {
    throw new UsageError(`${target} is there already; name another folder with --data DIR.`);
  }
  const { head } = await readRecording(file);
  mkdirSync(data, { recursive: true, mode: 0o700 });
  copyFileSync(file, target);
  const { from, to } = head.logs.cluster;
  output.write(
    `Revisions ${from} to ${to} (${new Date(head.begins).toISOString()} to ` +
      `${new Date(head.ends).toISOString()}) are in ${data}.\n` +
      `  cox log --data ${data}\n  cox at --data ${data} ${to} get pods\n`,
  );
}
