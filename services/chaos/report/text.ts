import { durationText } from "../../../shared/faults/duration.ts";
import { type ChaosRecord, isGood, type RecoveryRow } from "../record.ts";

/** What happened, in a few lines. */
export function summaryText(record: ChaosRecord): string {
  const { writes, violations, aborted } = record;
  const measured = record.recovery.filter(wasMeasured);
  const rows = measured.map(({ actor, kills, measured, p50, p99, worst }) => [
    actor,
    `${kills}`,
    `${measured}`,
    ...[p50, p99, worst].map((ms) => `${Math.round(ms)}`),
  ]);
  const idle = record.recovery.filter((row) => !wasMeasured(row)).map(({ actor }) => actor);
  const head = ["actor", "kills", "measured", "p50 ms", "p99 ms", "worst ms"];
  const lines = [
    verdictOf(record),
    ...(aborted === undefined ? [] : [`ended early: ${aborted}`]),
    `faults     ${faultCounts(record)}`,
    `rollouts   ${rolloutText(record)}`,
    `writes     ${writes.acknowledged} acknowledged, ${writes.lost.length} of them lost, ` +
      `${writes.failed} not acknowledged; longest gap ${durationText(writes.longestGapMs)}`,
    `invariants ${record.invariants.length} checked after every commit, ` +
      `${violations.length} times broken`,
    ...violations.slice(0, 10).map(({ invariant, message }) => `  ${invariant}: ${message}`),
    "",
    ...table([head, ...rows]),
    ...(idle.length === 0 ? [] : [`nothing to do after kills: ${idle.join(", ")}`]),
  ];
  return `${lines.join("\n")}\n`;
}

/** There was something to do after at least one kill. */
export function wasMeasured({ measured }: RecoveryRow): boolean {
  return measured > 0;
}

export function verdictOf(record: ChaosRecord): string {
  const { violations, unchecked, writes, aborted } = record;
  if (isGood(record)) return "Nothing was lost, nothing was broken, everything came right again.";
  const stuck = record.rollouts.filter(({ to }) => to === undefined).length;
  const wrong = [
    ...(violations.length > 0 ? [`invariants were broken ${violations.length} times`] : []),
    ...(writes.lost.length > 0 ? [`${writes.lost.length} acknowledged writes are lost`] : []),
    ...(unchecked > 0 ? [`${unchecked} revisions could not be checked`] : []),
    ...(stuck > 0 ? [`${stuck} rollouts did not complete`] : []),
    ...(aborted === undefined ? [] : ["the run was ended before its time"]),
  ];
  return `Not well: ${wrong.join("; ")}.`;
}

export function faultCounts({ faults, spared, from, to }: ChaosRecord): string {
  const counts = new Map<string, number>();
  for (const { kind } of faults) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const kinds = [...counts].map(([kind, count]) => `${count} ${kind}`).join(", ") || "none";
  const left = spared === 0 ? "" : `; ${spared} left out, beyond the limits`;
  return `${kinds} in ${durationText(to - from)}${left}`;
}

export function rolloutText({ rollouts }: ChaosRecord): string {
  const times = rollouts.flatMap(({ from, to }) => (to === undefined ? [] : [to - from]));
  if (rollouts.length === 0) return "none";
  const sorted = times.sort((a, b) => a - b);
  const half = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  const worst = sorted.at(-1) ?? 0;
  const open = rollouts.length - times.length;
  const rest = open === 0 ? "" : `, ${open} not`;
  const took = `half in ${durationText(half)}, worst ${durationText(worst)}`;
  return `${times.length} completed${rest}; ${took}`;
}

/** Aligned columns; numbers to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  "),
  );
}
