/** `cox replay`: what was decided, decided again. */
import { liveRuntime } from "../../../shared/runtime/live.ts";
import { type History, horizonOf } from "../../../shared/log/history.ts";
import type { Revision } from "../../../shared/store/store.ts";
import { ACTORS } from "../../replay/actors.ts";
import { replay } from "../../replay/replay.ts";
import { Tallies } from "../../replay/tally.ts";
import { UsageError } from "../usage-error.ts";
import { parseRange, revisionOf, withinHistory } from "./moment.ts";
import type { Output } from "./output.ts";
import { type Report, reportJson, reportText } from "./replay-report.ts";

export interface ReplayFlags {
  readonly actor?: string;
  readonly with?: string;
  readonly output?: "text" | "json";
}

/** Returns the exit code: 1 when the present code decides something else than was decided. */
export async function showReplay(
  history: History,
  range: string | undefined,
  flags: ReplayFlags,
  output: Output,
): Promise<number> {
  return withinHistory(history, async () => {
    const stretch = await stretchOf(history, range ?? "..", output.now());
    const report =
      flags.with === undefined
        ? await replayHere(history, stretch, flags)
        : await replayElsewhere(history, stretch, flags.with, flags);
    const text = flags.output === "json" ? reportJson(report) : reportText(report, output);
    output.write(text);
    return flags.with === undefined && report.tallies.total.different > 0 ? 1 : 0;
  });
}

export interface Stretch {
  readonly from: Revision;
  readonly to: Revision;
}

async function stretchOf(history: History, text: string, now: number): Promise<Stretch> {
  const { cluster } = history.logs;
  const range = parseRange(text, now);
  const from = range.from ? await revisionOf(cluster, range.from) : await horizonOf(cluster);
  const to = range.to ? await revisionOf(cluster, range.to) : await cluster.head();
  if (from > to) throw new UsageError(`Revision ${from} comes after revision ${to}.`);
  return { from, to };
}

async function replayHere(
  history: History,
  stretch: Stretch,
  { actor }: ReplayFlags,
): Promise<Report> {
  const runtime = liveRuntime();
  const tallies = new Tallies();
  const started = runtime.clock.monotonic();
  const result = await replay({
    history,
    runtime,
    ...stretch,
    ...(actor !== undefined && { actor }),
    actors: ACTORS,
    told: (verdict) => tallies.add(verdict),
  });
  checkActor(actor, tallies);
  return { ...stretch, ...result, tallies, tookMs: runtime.clock.monotonic() - started };
}

/** A name without decisions is more likely mistyped than idle. */
function checkActor(actor: string | undefined, { total }: Tallies): void {
  if (actor === undefined || total.decisions > 0) return;
  throw new UsageError(
    `No decision of an actor ${JSON.stringify(actor)} is recorded in that stretch.`,
  );
}
