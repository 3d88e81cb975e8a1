/** `cox chaos stop`: the abort switch from outside. */
import { join } from "node:path";
import { NATS_SERVER } from "../../chaos/operator.ts";
import type { Paths } from "../cluster.ts";
import { isAlive, readPid } from "../pids.ts";
import { withOperator } from "./open.ts";

export const CHAOS_PID = "chaos.pid";

/** The pid of the run on a cluster, if there is one. */
export function runnerOf(paths: Paths): number | undefined {
  const pid = readPid(join(paths.run, CHAOS_PID));
  if (pid === undefined || pid === process.pid) return undefined;
  // Pids are given to others again.
  return isAlive(pid, "chaos") ? pid : undefined;
}

export function stopChaos(data: string | undefined): Promise<void> {
  return withOperator(data, async ({ operator, paths }) => {
    const runner = runnerOf(paths);
    if (runner !== undefined) process.kill(runner, "SIGTERM");
    const targets = await operator.targets();
    for (const { name, paused } of targets) {
      if (paused) await operator.resume(name);
      if (name !== NATS_SERVER) await operator.heal(name).catch(() => undefined);
    }
    const run = runner === undefined ? "No run is under way" : `The run (pid ${runner}) ends`;
    process.stdout.write(`${run}; every fault is healed.\n`);
  });
}
