/** `cox log`: every version of every object, one line each. */

import { parseKey } from "../../../shared/api/key.ts";
import { ChangeReader, fieldsOf, type RecordedChange } from "../../../shared/log/changes.ts";
import { type History, horizonOf, readVersions } from "../../../shared/log/history.ts";
import { summarizeChanges } from "../../../shared/log/summary.ts";
import type { Revision, Version } from "../../../shared/store/store.ts";
import { UsageError } from "../usage-error.ts";
import { parseRange, revisionOf, withinHistory } from "./moment.ts";
import type { Output } from "./output.ts";
import { EVERYTHING, isSelected, parseSelector, type Selector } from "./selector.ts";
import { keyText, type Paint, paintFor, whenText } from "./text.ts";

export interface LogFlags {
  readonly kind?: string;
  readonly namespace?: string;
  readonly follow?: boolean;
  readonly output?: "text" | "json";
}

/** Without a range and an object, the log of so many last revisions. */
const LAST = 100;

/** Writes the lines; resolves at the end of the range, with `follow` never. */
export async function showLog(
  history: History,
  range: string | undefined,
  flags: LogFlags,
  output: Output,
): Promise<void> {
  const selector =
    flags.kind === undefined ? EVERYTHING : parseSelector(flags.kind, flags.namespace);
  const log = history.logs[selector.log];
  const line = flags.output === "json" ? jsonLine : textLine(paintFor(output), output.now());
  await withinHistory(history, async () => {
    const { from, to } = await boundsOf(history, range, selector, output.now());
    const changes = new ChangeReader(await versionsAt(log, selector, from));
    const show = (version: Version): void => {
      if (!isSelected(selector, version.key)) return;
      const change = changes.next(version);
      if (change !== undefined) output.write(`${line(change)}\n`);
    };
    const { prefix } = selector;
    await readVersions(log, { after: from, to, prefix }, show);
    if (!flags.follow) return;
    await new Promise<never>((_, reject) => {
      log.watch(prefix, to, { version: show, failed: reject });
    });
  });
}

async function boundsOf(
  { logs }: History,
  text: string | undefined,
  selector: Selector,
  now: number,
): Promise<{ from: Revision; to: Revision }> {
  const log = logs[selector.log];
  const range = text === undefined ? {} : parseRange(text, now);
  const to = range.to === undefined ? await log.head() : await revisionOf(log, range.to);
  if (range.from !== undefined) {
    const from = await revisionOf(log, range.from);
    if (from > to) throw new UsageError(`Revision ${from} comes after revision ${to}.`);
    return { from, to };
  }
  const begin = await horizonOf(log);
  if (text !== undefined || selector.key !== undefined) return { from: begin, to };
  return { from: Math.max(begin, to - LAST), to };
}

async function versionsAt(
  log: History["logs"]["cluster"],
  { key, prefix }: Selector,
  at: Revision,
): Promise<readonly Version[]> {
  if (at === 0) return [];
  if (key === undefined) return (await log.list(prefix, at)).versions;
  const version = await log.get(key, at);
  return version === undefined ? [] : [version];
}

const SIGNS = { created: "+", changed: "~", deleted: "-" } as const;
const STYLES = { created: "green", changed: "yellow", deleted: "red" } as const;

/** One line of text: what can be told in a glance comes first. */
function textLine(paint: Paint, now: number): (change: RecordedChange) => string {
  return (change) => {
    const { version, verb } = change;
    const { revision, time, headers, key } = version;
    const { actor, replica, cause, trace } = headers;
    const summary = verb === "changed" ? summarizeChanges(fieldsOf(change)) : contentOf(change);
    return [
      paint("dim", `${String(revision).padStart(6)} ${whenText(time, now)}`),
      paint(STYLES[verb], `${SIGNS[verb]} ${keyText(key)}`),
      paint("cyan", actor === "user" ? replica : `${actor}/${replica}`),
      paint("dim", cause > 0 ? `←${cause}` : "←·"),
      summary,
      paint("dim", trace),
    ]
      .filter((part) => part !== "")
      .join("  ");
  };
}

/** What a created object wants, or what a deleted one was. */
function contentOf({ object, old }: RecordedChange): string {
  const { spec, status, metadata } = (object ?? old) as NonNullable<RecordedChange["object"]>;
  const owner = metadata.ownerReferences?.find(({ controller }) => controller);
  return [
    owner === undefined ? "" : `of ${owner.kind}/${owner.name}`,
    spec?.replicas === undefined ? "" : `replicas ${spec.replicas}`,
    spec?.nodeName === undefined ? "" : `on ${spec.nodeName}`,
    status?.phase === undefined ? "" : String(status.phase),
  ]
    .filter((part) => part !== "")
    .join(", ");
}

function jsonLine(change: RecordedChange): string {
  const { version, verb } = change;
  const { revision, time, key, headers } = version;
  return JSON.stringify({
    revision,
    time: new Date(time).toISOString(),
    verb,
    key,
    ...parseKey(key),
    ...headers,
    uid: (change.object ?? change.old)?.metadata.uid,
    changes: fieldsOf(change),
  });
}
