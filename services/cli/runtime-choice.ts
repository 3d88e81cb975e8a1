/** What runs the containers: what was asked for, or the best that this machine can do. */
import { liveRuntime } from "../../shared/runtime/live.ts";
import { capabilities } from "../node/capabilities.ts";
import { commands } from "../node/command.ts";
import { installPackages } from "../node/packages.ts";
import type { NodeRuntime } from "./cluster.ts";
import type { Progress } from "./progress.ts";

/**
 * Installs what the runtime needs and is missing (as root), and says what is lost otherwise.
 * @throws Error when the runtime that was asked for cannot be had, with the reasons.
 */
export async function chooseRuntime(
  wanted: "auto" | NodeRuntime,
  progress: Progress,
): Promise<NodeRuntime> {
  if (wanted === "simulated" || wanted === "process") return wanted;
  const environment = liveRuntime();
  const command = commands(environment);
  const before = await capabilities(command);
  let { runtime, reasons, warnings } = before;
  if (before.missing.length > 0 && process.getuid?.() === 0) {
    await progress.step(`Installing ${before.missing.join(", ")}`, (detail) =>
      installPackages({
        runtime: environment,
        command,
        report: (step, line) => detail(line ?? step),
      }),
    );
    ({ runtime, reasons, warnings } = await capabilities(command));
  }
  for (const warning of warnings) process.stderr.write(`Note: ${warning}.\n`);
  if (runtime === "cri") return "cri";
  if (wanted === "cri") throw new Error(`--runtime cri is not possible: ${reasons.join("; ")}`);
  process.stderr.write(
    `Containers run as plain processes (--runtime process): ${reasons.join("; ")}. ` +
      "Lost by it: images, pod networks, Services and resource limits.\n",
  );
  return "process";
}
