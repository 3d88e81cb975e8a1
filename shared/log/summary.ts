import type { Json } from "../api/object.ts";
import { differences, type FieldChange } from "./difference.ts";

/** What changed between two versions in a few words; pure. */

/** These follow from other changes, or say only when something was looked at. */
const ECHOES = new RegExp(
  [
    "^metadata\\.(?:generation|uid|creationTimestamp)$",
    "observedGeneration$",
    "last(?:Transition|Probe|Update|Heartbeat)Time$",
    "\\.message$",
  ].join("|"),
);
const CONDITION = /^(status\.conditions\[[^\]]+\])(?:\.(status|reason))?$/;
const TEXT_MAX = 48;
const PIECES = 3;

/**
 * `spec.replicas 3→5, status.conditions[Ready] False→True, +2 more`; "" when nothing of interest
 * changed.
 */
export function summarize(old: unknown, next: unknown, pieces = PIECES): string {
  return summarizeChanges(differences(old, next), pieces);
}

/** The same of changes that are known already. */
export function summarizeChanges(changes: readonly FieldChange[], pieces = PIECES): string {
  const told = new Map<string, string>();
  for (const change of sorted(changes)) {
    const [path, text] = pieceOf(change);
    if (!told.has(path)) told.set(path, text);
  }
  const texts = [...told.values()];
  if (texts.length === 0 && changes.length > 0) return pieceOf(changes[0] as FieldChange)[1];
  const more = texts.length - pieces;
  return [...texts.slice(0, pieces), ...(more > 0 ? [`+${more} more`] : [])].join(", ");
}

/** What people asked for first, then what came of it. */
function sorted(changes: readonly FieldChange[]): FieldChange[] {
  const rank = ({ path }: FieldChange): number => {
    if (path.startsWith("metadata.deletionTimestamp")) return 0;
    if (path.startsWith("spec")) return 1;
    if (path.startsWith("status.phase")) return 2;
    if (path.startsWith("status.conditions")) return path.endsWith(".reason") ? 5 : 3;
    if (path.startsWith("metadata")) return 4;
    return path.startsWith("status") ? 5 : 1;
  };
  return changes
    .filter(({ path }) => !ECHOES.test(path))
    .map((change) => ({ change, rank: rank(change) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ change }) => change);
}

/** What a change is about, and how it is told. */
function pieceOf(change: FieldChange): readonly [about: string, text: string] {
  const condition = CONDITION.exec(change.path);
  if (condition?.[1] !== undefined) {
    const [, path, field] = condition;
    if (field !== "reason") return [path, `${path} ${told(statusOf(change))}`];
    return [path, `${path}.reason ${told(change)}`];
  }
  return [change.path, `${change.path} ${told(change)}`];
}

/** Of a condition that comes or goes whole, its status. */
function statusOf({ old, new: next, path }: FieldChange): FieldChange {
  const status = (value: Json | undefined): Json | undefined =>
    typeof value === "object" && value !== null && !Array.isArray(value) ? value["status"] : value;
  const [before, after] = [status(old), status(next)];
  return {
    path,
    ...(before === undefined ? {} : { old: before }),
    ...(after === undefined ? {} : { new: after }),
  };
}

function told(change: FieldChange): string {
  const old = "old" in change ? shortly(change.old) : "none";
  return `${old}→${"new" in change ? shortly(change.new) : "none"}`;
}

/** A value on one line, cut when it is long. */
export function shortly(value: Json | undefined, max = TEXT_MAX): string {
  const text = typeof value === "string" ? value : JSON.stringify(value ?? null);
  const line = text.replaceAll(/\s+/g, " ");
  return line.length <= max ? line : `${line.slice(0, max - 1)}…`;
}
