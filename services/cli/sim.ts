/** `cox sim`: the control plane in simulation; the same seed gives the same run. */

import { loadFaults } from "../../shared/faults/language.ts";
import { unsupportedInSimulation } from "../../shared/faults/support.ts";
import { runSimulation } from "../../test/sim/simulate.ts";

export interface SimulateOptions {
  /** `A..B`, or one number. */
  readonly seeds: string;
  readonly faults?: string;
  readonly steps?: number;
  readonly trace?: boolean;
}

/** What a fault may name here. */
const PROCESSES = ["apiserver-1", "control-1", "node-1"];

/** Runs the seeds; returns the exit code. Each failure is shown with the line that repeats it. */
export async function simulate(options: SimulateOptions): Promise<number> {
  const range = /^(\d+)(?:\.\.(\d+))?$/.exec(options.seeds);
  if (range === null) throw new Error("--seeds takes A..B or one number, e.g. 1..200");
  const first = Number(range[1]);
  const last = Number(range[2] ?? first);
  const faults = options.faults === undefined ? {} : { faults: loadFaults(options.faults) };
  for (const line of faults.faults ? unsupportedInSimulation(faults.faults, PROCESSES) : []) {
    process.stderr.write(`not in the simulation: ${line}\n`);
  }
  const steps = options.steps === undefined ? {} : { steps: options.steps };
  const onTrace = options.trace ? { onTrace: (line: string) => console.log(line) } : {};
  const started = performance.now();
  let failed = 0;
  let crashes = 0;
  for (let seed = first; seed <= last; seed++) {
    const result = await runSimulation({ seed, ...faults, ...steps, ...onTrace });
    crashes += result.crashes;
    if (result.violations.length > 0) {
      failed++;
      const lines = result.violations.map((violation) => `  ${violation}\n`).join("");
      process.stdout.write(`seed ${seed} FAILED\n${lines}  repeat it: ${result.reproduce}\n`);
    }
    if (first === last) process.stdout.write(`trace ${result.traceHash}\n`);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    const done = seed - first + 1;
    const state = `${done} of ${last - first + 1} seeds, ${failed} failed, ${crashes} crashes`;
    if (process.stderr.isTTY) process.stderr.write(`\r${state}, ${seconds} s`);
    else if (done % 50 === 0 || seed === last) process.stderr.write(`${state}, ${seconds} s\n`);
  }
  if (process.stderr.isTTY) process.stderr.write("\n");
  return failed === 0 ? 0 : 1;
}
