/** `cox sim --minimize` and `cox sim --plan`: the least that fails, and the same again. */
import { writeFileSync } from "node:fs";
import { loadFaults } from "../../../shared/faults/language.ts";
import { minimize, repeat } from "../../../test/sim/minimize.ts";
import { loadPlan, planText } from "../../../test/sim/plan-file.ts";
import { STEPS } from "../../../test/sim/simulate.ts";
import { ProgressLine } from "./progress.ts";

export interface MinimizeFlags {
  readonly minimize: number;
  readonly faults?: string;
  readonly steps?: number;
  /** Where the plan goes; default: standard output. */
  readonly to?: string;
}

/** Returns the exit code: 1 when the seed fails, as it does without `--minimize`. */
export async function minimizeSeed(flags: MinimizeFlags): Promise<number> {
  const progress = new ProgressLine();
  const found = await minimize({
    seed: flags.minimize,
    steps: flags.steps ?? STEPS,
    ...(flags.faults === undefined ? {} : { faults: loadFaults(flags.faults) }),
    onProgress: (runs, incidents, operations) => {
      progress.show(`${runs} runs: ${incidents} faults and ${operations} operations left`);
    },
  });
  if (found === undefined) {
    process.stderr.write(`Seed ${flags.minimize} does not fail: there is nothing to minimize.\n`);
    return 0;
  }
  progress.show(`${found.runs} runs`, true);
  const text = planText(found);
  if (flags.to === undefined) process.stdout.write(text);
  else writeFileSync(flags.to, text);
  return 1;
}

/** Carries out a plan; returns the exit code. */
export async function repeatPlan(flags: { plan: string; trace?: boolean }): Promise<number> {
  const onTrace = flags.trace ? (line: string) => console.log(line) : undefined;
  const { violations, incidents, traceHash } = await repeat(
    loadPlan(flags.plan),
    undefined,
    onTrace,
  );
  for (const { fault, site, atMs } of incidents) {
    process.stdout.write(`${(atMs / 1000).toFixed(3)} s  ${fault}  ${site}\n`);
  }
  for (const violation of violations) process.stdout.write(`FAILED ${violation}\n`);
  process.stdout.write(`trace ${traceHash}\n`);
  return violations.length === 0 ? 0 : 1;
}
