/** Processes of a data folder that a killed supervisor left behind. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Paths } from "./cluster.ts";
import { endAndWait, isAlive, readPid } from "./pids.ts";

const GRACE_MS = 5_000;
/** Not a process of ours: the node's process adopts it, with its containers. */
const KEPT = /^containerd-/;
const LAST = "nats-server.pid";

/** Ends them, the one that all others need last. Containers go on. */
export async function endLeftovers(paths: Paths): Promise<void> {
  const files = (existsSync(paths.run) ? readdirSync(paths.run) : [])
    .filter((file) => file.endsWith(".pid") && !KEPT.test(file))
    .sort((a, b) => Number(a === LAST) - Number(b === LAST));
  for (const file of files) {
    const path = join(paths.run, file);
    const pid = readPid(path);
    if (pid === process.pid) continue;
    if (pid !== undefined && isAlive(pid, paths.data)) await endAndWait(pid, GRACE_MS);
    rmSync(path, { force: true });
  }
}
