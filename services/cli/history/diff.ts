/** `cox diff`: what is different between two moments. */
import { objectOf } from "../../../shared/log/changes.ts";
import { differences, type FieldChange } from "../../../shared/log/difference.ts";
import type { History } from "../../../shared/log/history.ts";
import { shortly } from "../../../shared/log/summary.ts";
import type { Key, Revision, Version } from "../../../shared/store/store.ts";
import { describeRevision, parseMoment, revisionOf, withinHistory } from "./moment.ts";
import type { Output } from "./output.ts";
import { EVERYTHING, isSelected, parseSelector, type Selector } from "./selector.ts";
import { aligned, keyText, paintFor } from "./text.ts";

export interface DiffFlags {
  readonly kind?: string;
  readonly namespace?: string;
  readonly output?: "text" | "json";
}

/** What became of the selected objects between two revisions. */
export interface Difference {
  readonly from: Revision;
  readonly to: Revision;
  readonly added: readonly Key[];
  readonly removed: readonly Key[];
  readonly changed: readonly { readonly key: Key; readonly changes: readonly FieldChange[] }[];
}

const VALUE_MAX = 100;

export async function showDiff(
  history: History,
  from: string,
  to: string,
  flags: DiffFlags,
  output: Output,
): Promise<void> {
  const selector =
    flags.kind === undefined ? EVERYTHING : parseSelector(flags.kind, flags.namespace);
  const [before, after] = [from, to].map((text) => parseMoment(text, output.now()));
  await withinHistory(history, async () => {
    const log = history.logs[selector.log];
    const [first, second] = await Promise.all(
      [before, after].map((moment) => revisionOf(log, moment as NonNullable<typeof moment>)),
    );
    const difference = await differenceOf(history, selector, first as number, second as number);
    if (flags.output === "json") output.write(`${JSON.stringify(difference, null, 2)}\n`);
    else output.write(await textOf(history, difference, output));
  });
}

/** @throws CompactedError, FutureRevisionError */
export async function differenceOf(
  { logs }: History,
  selector: Selector,
  from: Revision,
  to: Revision,
): Promise<Difference> {
  const read = async (at: Revision) => {
    const { versions } = await logs[selector.log].list(selector.prefix, at);
    const selected = versions.filter(({ key }) => isSelected(selector, key));
    return new Map(selected.map((version) => [version.key, version]));
  };
  const [before, after] = await Promise.all([read(from), read(to)]);
  const changed = [...after].flatMap(([key, version]) => {
    const changes = changesBetween(before.get(key), version);
    return changes.length > 0 ? [{ key, changes }] : [];
  });
  return {
    from,
    to,
    added: [...after.keys()].filter((key) => !before.has(key)),
    removed: [...before.keys()].filter((key) => !after.has(key)),
    changed,
  };
}

function changesBetween(old: Version | undefined, next: Version): FieldChange[] {
  if (old === undefined || old.revision === next.revision) return [];
  return differences(objectOf(old), objectOf(next));
}

async function textOf(history: History, difference: Difference, output: Output): Promise<string> {
  const { from, to, added, removed, changed } = difference;
  const paint = paintFor(output);
  const lines = [
    `${await describeRevision(history, from)} → ${await describeRevision(history, to)}`,
    ...added.map((key) => paint("green", `+ ${keyText(key)}`)),
    ...removed.map((key) => paint("red", `- ${keyText(key)}`)),
  ];
  for (const { key, changes } of changed) {
    lines.push(paint("yellow", `~ ${keyText(key)}`));
    const rows = changes.map(({ path, ...change }) => [
      `    ${path}`,
      `${"old" in change ? shortly(change.old, VALUE_MAX) : "(none)"} → ` +
        `${"new" in change ? shortly(change.new, VALUE_MAX) : "(none)"}`,
    ]);
    lines.push(...aligned(rows));
  }
  if (lines.length === 1) lines.push("Nothing is different.");
  return `${lines.join("\n")}\n`;
}
