/**
 * `cox down`: ends everything that belongs to a data folder, also what a killed supervisor left.
 */
import { existsSync, rmSync } from "node:fs";
import { releaseSlot } from "../node/slots.ts";
import { pathsOf } from "./cluster.ts";
import { endLeftovers } from "./leftovers.ts";
import { stopNodes } from "./nodes.ts";
import { endAndWait, supervisorOf } from "./pids.ts";
import type { Progress } from "./progress.ts";

/** The supervisor ends its processes one after the other, each with its own grace. */
const SUPERVISOR_GRACE_MS = 60_000;

/** Returns the exit code. */
export async function down(data: string, purge: boolean, progress: Progress): Promise<number> {
  const paths = pathsOf(data);
  if (!existsSync(paths.settings) && !existsSync(paths.run)) {
    process.stderr.write(`There is no cluster in ${data}.\n`);
    return purge ? 0 : 1;
  }
  await progress.step("Stopping", async () => {
    const supervisor = supervisorOf(paths);
    if (supervisor !== undefined) await endAndWait(supervisor, SUPERVISOR_GRACE_MS);
    await endLeftovers(paths);
    await stopNodes(paths);
  });
  if (purge) {
    releaseSlot(data);
    rmSync(data, { recursive: true, force: true });
  }
  return 0;
}
