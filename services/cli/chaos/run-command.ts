/** `cox chaos run` and `cox chaos stop`. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { parseDuration } from "../../../shared/faults/duration.ts";
import type { ChaosFlags } from "./run.ts";

export function addChaosRun(program: Command): void {
  const chaos = program.command("chaos").description("break a running cluster by a fault file");
  chaos
    .command("run")
    .description("run a fault file on the cluster, check it meanwhile, and report")
    .argument("<file>", "fault file (docs/chaos.md)")
    .option("--data <dir>", "data folder (default: $COX_DATA, else .cox)")
    .option("--seed <n>", "of what is drawn: which process, when, for how long", whole, 1)
    .option("--workload <file>", "what the cluster does meanwhile (default: nothing of its own)")
    .option("--duration <time>", "how long", duration, 60_000)
    .option("--report <file>", "write the report there (HTML); FILE.json is written beside it")
    .addOption(new Option("--ignore-state", "begin although the cluster is not well"))
    .action(async (file: string, flags: ChaosFlags) => {
      const { runChaos } = await import("./run.ts");
      process.exitCode = await runChaos(file, flags);
    });
  chaos
    .command("stop")
    .description("end the run on this cluster, and every fault")
    .option("--data <dir>", "data folder (default: $COX_DATA, else .cox)")
    .action(async ({ data }: { data?: string }) => {
      const { stopChaos } = await import("./stop.ts");
      await stopChaos(data);
    });
}

function whole(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 0) return number;
  throw new InvalidArgumentError("It takes a whole number.");
}

function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined && ms > 0) return ms;
  throw new InvalidArgumentError("It takes a duration such as 30s or 10m.");
}
