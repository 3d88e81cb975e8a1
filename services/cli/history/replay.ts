/** `cox replay`: what was decided, decided again. */
import { type History, horizonOf } from "../../../shared/log/history.ts";
import { liveRuntime } from "../../../shared/runtime/live.ts";
import { ACTORS } from "../../replay/actors.ts";
import { reportOf } from "../../replay/replay.ts";
import { UsageError } from "../usage-error.ts";
import { parseRange, revisionOf, withinHistory } from "./moment.ts";
import type { Output } from "./output.ts";
import { reportText } from "./replay-report.ts";
import { replayWith } from "./replay-with.ts";

export interface ReplayFlags {
  readonly actor?: string;
  readonly with?: string;
  readonly output?: "text" | "json";
}

/**
 * Decides a stretch again. Returns the exit code: 1 when the present code decides something else
 * than was decided.
 */
export async function showReplay(
  history: History,
  range: string | undefined,
  flags: ReplayFlags,
  output: Output,
): Promise<number> {
  return withinHistory(history, async () => {
    const { actor, with: path } = flags;
    const stretch = await stretchOf(history, range ?? "..", output.now());
    const question = { history, ...stretch, ...(actor !== undefined && { actor }) };
    const report =
      path === undefined
        ? await reportOf({ ...question, runtime: liveRuntime(), actors: ACTORS })
        : await replayWith(path, question);
    if (actor !== undefined && report.actors.length === 0) {
      throw new UsageError(`No decision of an actor "${actor}" is recorded in that stretch.`);
    }
    const json = () => `${JSON.stringify(report, null, 2)}\n`;
    output.write(flags.output === "json" ? json() : reportText(report, path, output));
    const different = report.actors.some((each) => each.different > 0);
    return path === undefined && different ? 1 : 0;
  });
}

async function stretchOf(
  history: History,
  text: string,
  now: number,
): Promise<{ from: number; to: number }> {
  const { cluster } = history.logs;
  const range = parseRange(text, now);
  const from = range.from ? await revisionOf(cluster, range.from) : await horizonOf(cluster);
  const to = range.to ? await revisionOf(cluster, range.to) : await cluster.head();
  if (from > to) throw new UsageError(`Revision ${from} comes after revision ${to}.`);
  return { from, to };
}
