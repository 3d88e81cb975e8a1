/** `cox scale`: other numbers of replicas, brought about while the cluster runs. */
import { UsageError } from "../usage-error.ts";
import { showActors } from "./actors.ts";
import type { Asked, ScaleFlags } from "./commands.ts";
import { askSupervisor, withOperatorOf } from "./operator.ts";

/** Processes start, and those that go let their work end. */
const SCALE_MS = 120_000;

export async function scaleActors(asked: Asked, flags: ScaleFlags): Promise<void> {
  const { grouping } = flags;
  const actors = [...Object.keys(asked.replicas), ...Object.keys(asked.autoscale)];
  if (actors.length === 0 && grouping === undefined) {
    throw new UsageError("Say what to scale, e.g. `cox scale scheduler=3`.");
  }
  await withOperatorOf(flags, async (operator) => {
    const order = { type: "scale", ...asked, ...(grouping && { grouping }) } as const;
    const status = await askSupervisor(operator, order, SCALE_MS);
    if (status === undefined) {
      throw new UsageError(
        "No supervisor answers: only a cluster that `cox up` runs is scaled so.",
      );
    }
    const processes = status.processes.map(({ name }) => name).join(", ");
    process.stdout.write(`${status.grouping}: ${processes}\n`);
  });
  if (flags.watch) await showActors({ ...flags, output: "text" });
}
