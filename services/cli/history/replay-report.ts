/** How a replay is told on a terminal. */
import type { Action } from "../../../shared/actor/plan.ts";
import type { DecisionRecord } from "../../../shared/log/decision.ts";
import { shortly } from "../../../shared/log/summary.ts";
import { planDifferences } from "../../replay/compare.ts";
import type { NodeLoad } from "../../replay/load.ts";
import type { Decided } from "../../replay/replay.ts";
import { type ActorReport, type Difference, nodeOf, type Report } from "../../replay/tally.ts";
import type { Output } from "./output.ts";
import { aligned, duration, keyText, type Paint, paintFor, whenText } from "./text.ts";

/** Of each actor that differs: so many decisions whole, or in a line. */
const WHOLE_MAX = 1;
const BRIEF_MAX = 5;
const WAYS_MAX = 12;
const ACTIONS_MAX = 8;
const FIELDS_MAX = 20;
const VALUE_MAX = 100;

/** `path`: whose code has decided again; undefined: the present one. */
export function reportText(report: Report, path: string | undefined, output: Output): string {
  const paint = paintFor(output);
  const lines = [headOf(report, path), "", ...table(report), ...skippedLines(report)];
  for (const actor of report.actors) {
    if (actor.different === 0) continue;
    lines.push("", paint("bold", titleOf(actor, path)));
    if (path !== undefined) lines.push(...summaryLines(actor).map((line) => `  ${line}`));
    const shown = path === undefined ? WHOLE_MAX : BRIEF_MAX;
    for (const difference of actor.differences.slice(0, shown)) {
      lines.push("", ...differenceLines(difference, path, paint, output.now()));
    }
    const rest = actor.different - shown;
    if (rest > 0) lines.push("", `  ... and ${rest} more; -o json has the first 100 whole`);
  }
  return `${lines.join("\n")}\n`;
}

function headOf({ from, to, actors, tookMs }: Report, path: string | undefined): string {
  const decisions = actors.reduce((sum, actor) => sum + actor.decisions, 0);
  const by = path === undefined ? "" : ` by ${path}`;
  const rate = Math.round((decisions / Math.max(tookMs, 1)) * 1000);
  return (
    `Revisions ${from} to ${to}: ${decisions} decisions made again${by} ` +
    `in ${duration(tookMs)} (${rate}/s).`
  );
}

function table({ actors }: Report): string[] {
  const rows = actors.map((actor) => {
    const { decisions, identical, different, skipped, unrecorded } = actor;
    const not = Object.values(skipped).reduce((sum, count) => sum + count, 0);
    return [actor.actor, ...[decisions, identical, different, not, unrecorded].map(String)];
  });
  const heads = ["ACTOR", "DECISIONS", "IDENTICAL", "DIFFERENT", "NOT AGAIN", "NOT RECORDED"];
  return aligned([heads, ...rows]);
}

function skippedLines({ actors }: Report): string[] {
  const lines = actors.flatMap(({ actor, skipped }) =>
    Object.entries(skipped).map(([why, count]) => `${count} of ${actor} not again: ${why}`),
  );
  return lines.length > 0 ? ["", ...lines] : [];
}

function titleOf({ actor, different, decisions }: ActorReport, path: string | undefined): string {
  const of = `${different} of ${decisions} decisions`;
  return path === undefined
    ? `${actor}: ${of} would be made otherwise now; the first one:`
    : `${actor}: ${of} would have been others`;
}

function summaryLines({ summary }: ActorReport): string[] {
  const moved = Object.values(summary.elsewhere).reduce((sum, count) => sum + count, 0);
  const lines: readonly (readonly [number, string])[] = [
    [moved, `pods placed elsewhere: ${placesText(summary.elsewhere)}`],
    [summary.placed, "pods that found no node find one"],
    [summary.unplaced, "pods that found a node find none"],
    [summary.faster, `decisions go faster: ${summary.podsMore} pods more at once`],
    [summary.slower, `decisions go slower: ${summary.podsFewer} pods fewer at once`],
    [summary.nothing, "decisions do nothing any more"],
    [summary.fails, "decisions fail"],
    [summary.otherwise, "decisions differ in other fields"],
  ];
  const told = lines.filter(([count]) => count > 0).map(([count, text]) => `${count} ${text}`);
  if (moved > 0) {
    const { recorded, again } = summary.loads;
    const text = `${loadText(again, moved)}; those that were, ${loadText(recorded, moved)}`;
    told.splice(1, 0, `  nodes that would be chosen had on average ${text}`);
  }
  return told;
}

/** The ways between nodes, or where these are many, what comes to nodes and goes from them. */
function placesText(elsewhere: Readonly<Record<string, number>>): string {
  const ways = Object.entries(elsewhere).sort(([, a], [, b]) => b - a);
  if (ways.length <= WAYS_MAX) return ways.map(([way, n]) => `${n} × ${way}`).join(", ");
  const changes = new Map<string, number>();
  for (const [way, count] of ways) {
    const [from = "", to = ""] = way.split(" → ");
    changes.set(from, (changes.get(from) ?? 0) - count);
    changes.set(to, (changes.get(to) ?? 0) + count);
  }
  const sorted = [...changes].sort(([, a], [, b]) => b - a);
  const more = sorted.filter(([, change]) => change > 0);
  const fewer = sorted.filter(([, change]) => change < 0).reverse();
  const listed = (nodes: typeof sorted) =>
    nodes
      .slice(0, BRIEF_MAX)
      .map(([node, change]) => `${node} ${change > 0 ? "+" : ""}${change}`)
      .join(", ");
  return (
    `${more.length} nodes get more (${listed(more)}, ...), ` +
    `${fewer.length} fewer (${listed(fewer)}, ...)`
  );
}

/** Of so many placements, in the mean. */
function loadText({ pods, cpu, memory }: NodeLoad, of = 1): string {
  const percent = (part: number) => `${((100 * part) / of).toFixed(1)} %`;
  const count = of === 1 ? pods : (pods / of).toFixed(1);
  return `${count} ${count === 1 ? "pod" : "pods"}, cpu ${percent(cpu)}, memory ${percent(memory)}`;
}

function differenceLines(
  { record, again, loads }: Difference,
  path: string | undefined,
  paint: Paint,
  now: number,
): string[] {
  const { key, decidedAt, replica, now: at } = record;
  const where = `${keyText(key)} at revision ${decidedAt}, ${whenText(at, now)}, by ${replica}`;
  if (path !== undefined && loads !== undefined && "plan" in again) {
    // The rest of the plan says the same again.
    const from = `${nodeOf(record.plan)} (${loadText(loads.recorded)})`;
    const to = `${nodeOf(again.plan)} (${loadText(loads.again)})`;
    return [`  ${where}`, `    ${from} → ${to}`];
  }
  const fields = "threw" in again ? [] : fieldLines(record, again, paint);
  if (path !== undefined) return [`  ${where}`, ...fields];
  return [
    `  ${where}`,
    ...planLines("decided", record),
    ...planLines("again", { ...again, ...("threw" in again && { message: again.threw }) }),
    ...fields,
  ];
}

function fieldLines(
  { plan }: DecisionRecord,
  again: { plan: DecisionRecord["plan"] },
  paint: Paint,
) {
  const changes = planDifferences(plan, again.plan);
  const lines = changes
    .slice(0, FIELDS_MAX)
    .flatMap((change) => [
      `    ${change.path}`,
      ...("old" in change ? [paint("red", `      - ${shortly(change.old, VALUE_MAX)}`)] : []),
      ...("new" in change ? [paint("green", `      + ${shortly(change.new, VALUE_MAX)}`)] : []),
    ]);
  const rest = changes.length - FIELDS_MAX;
  return rest > 0 ? [...lines, `    ... and ${rest} more fields`] : lines;
}

/** A plan in a few lines: what it would do, and why. */
function planLines(
  title: string,
  decided: Partial<Pick<DecisionRecord, "plan" | "message">> & Partial<Decided>,
): string[] {
  const { plan, message } = decided;
  if (plan === undefined) return [`    ${title}: fails: ${message}`];
  const { actions, effects = [], events = [], reason } = plan;
  const what = [
    ...actions.map(actionText),
    ...effects.map((effect) => `effect ${JSON.stringify(effect)}`),
    ...events.map((event) => `event ${event.reason}: ${event.message}`),
  ].map((text) => `      ${shortly(text, VALUE_MAX)}`);
  const rest = what.length - ACTIONS_MAX;
  return [
    `    ${title}: ${reason ?? (what.length === 0 ? "nothing" : "")}`.trimEnd(),
    ...what.slice(0, ACTIONS_MAX),
    ...(rest > 0 ? [`      ... and ${rest} more`] : []),
  ];
}

function actionText(action: Action): string {
  const more = action.op === "bind" ? ` to ${action.node}` : "";
  const part = "subresource" in action ? `/${action.subresource}` : "";
  return `${action.op} ${keyText(action.key)}${part}${more}`;
}
