import { type Command, InvalidArgumentError, Option } from "commander";
import type { LearnFlags } from "./learn.ts";
import type { SimulateOptions } from "./seeds.ts";

type Flags = SimulateOptions &
  LearnFlags & {
    readonly learn?: boolean;
    readonly minimize?: number;
    readonly plan?: string;
    readonly to?: string;
  };

/** Adds `cox sim`. */
export function addSimulation(program: Command): void {
  program
    .command("sim")
    .description("run the control plane in simulation, on virtual time, with faults")
    .option("--seeds <A..B>", "which seeds", "1..100")
    .option("--faults <file>", "a fault file (default: all kinds of faults, drawn from the seed)")
    .option("--steps <n>", "operations of the workload", whole)
    .option("--trace", "print what happens")
    .option("--jobs <n>", "how many at the same time (default: one for each core)", whole)
    .option("--minimize <seed>", "the fewest faults and operations that still fail", whole)
    .option("--to <file>", "where the minimal plan goes (default: standard output)")
    .option("--plan <file>", "repeat what --minimize has found")
    .option("--learn", "learn from an undisturbed run which faults matter, and run them all")
    .option("--workload <file>", "what the user does while learning (default: a tour)")
    .option("--actors <names>", "learn about these only", (text) => text.split(","))
    .option("--each <n>", "plans for each kind of decision (default: 1)", whole)
    .addOption(new Option("-o, --output <format>").choices(["text", "json"]).default("text"))
    .addOption(new Option("--worker").hideHelp())
    .addOption(new Option("--part <k/n>").hideHelp())
    .action(async (flags: Flags) => {
      process.exitCode = await run(flags);
    });
}

async function run(flags: Flags): Promise<number> {
  const { learn, minimize, plan } = flags;
  if (learn) return (await import("./learn.ts")).learnPlans(flags);
  if (minimize !== undefined) {
    return (await import("./minimize.ts")).minimizeSeed({ ...flags, minimize });
  }
  if (plan !== undefined) return (await import("./minimize.ts")).repeatPlan({ ...flags, plan });
  return (await import("./seeds.ts")).simulate(flags);
}

function whole(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1) return number;
  throw new InvalidArgumentError("It takes a whole number of 1 or more.");
}
