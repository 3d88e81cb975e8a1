/** `cox fork`: a past moment that goes on in simulation, served for kubectl. */
import type { History } from "../../../shared/log/history.ts";
import { liveRuntime } from "../../../shared/runtime/live.ts";
import { fork } from "../../replay/fork.ts";
import { serveAt } from "./at.ts";
import { differenceOf } from "./diff.ts";
import { parseMoment, revisionOf, withinHistory } from "./moment.ts";
import type { Output } from "./output.ts";
import { EVERYTHING } from "./selector.ts";
import { aligned, duration, keyText } from "./text.ts";

export interface ForkFlags {
  readonly seed: number;
  /** Milliseconds. */
  readonly for: number;
  readonly port?: number;
  readonly kubeconfig?: string;
  /** Ends behind the summary. */
  readonly serve: boolean;
}

const OBJECTS_MAX = 20;

/** Returns the exit code: 1 when an error ended a part of the simulated control plane. */
export async function showFork(
  history: History,
  text: string,
  flags: ForkFlags,
  output: Output,
): Promise<number> {
  const moment = parseMoment(text, output.now());
  return withinHistory(history, async () => {
    const revision = await revisionOf(history.logs.cluster, moment);
    const at = moment.type === "time" ? moment.time : (await history.version(revision))?.time;
    const { clock } = liveRuntime();
    const started = clock.monotonic();
    const options = { history, revision, time: at ?? output.now() };
    const forked = await fork({ ...options, seed: flags.seed, forMs: flags.for });
    const took = clock.monotonic() - started;
    output.write(
      `Revision ${revision} (${new Date(options.time).toISOString()}) went on for ` +
        `${duration(flags.for)} in ${duration(took)}, with seed ${flags.seed} and ` +
        `${forked.nodes} played nodes, to revision ${forked.revision}.\n`,
    );
    for (const error of forked.errors) output.write(`An error: ${error}\n`);
    output.write(await changesText(forked.history, revision, forked.revision));
    const code = forked.errors.length > 0 ? 1 : 0;
    if (!flags.serve) return code;
    const end = new Date(forked.time).toISOString();
    return (await serveAt(forked.history, end, { ...flags, speed: 0 }, output)) || code;
  });
}

async function changesText(history: History, from: number, to: number): Promise<string> {
  const { added, removed, changed } = await differenceOf(history, EVERYTHING, from, to);
  const rows = [
    ...added.map((key) => ["+", keyText(key)]),
    ...removed.map((key) => ["-", keyText(key)]),
    ...changed.map(({ key, changes }) => ["~", keyText(key), `${changes.length} fields`]),
  ];
  if (rows.length === 0) return "Nothing has changed.\n";
  const rest = rows.length - OBJECTS_MAX;
  const lines = aligned(rows.slice(0, OBJECTS_MAX));
  return `${[...lines, ...(rest > 0 ? [`... and ${rest} more objects`] : [])].join("\n")}\n`;
}
