/** `cox sim`: the control plane in simulation; the same seed gives the same run. */
import { loadFaults } from "../../../shared/faults/language.ts";
import { unsupportedInSimulation } from "../../../shared/faults/support.ts";
import { runSimulation, type SimulationResult } from "../../../test/sim/simulate.ts";
import { ProgressLine } from "./progress.ts";
import { jobsOf, runWorkers } from "./workers.ts";

export interface SimulateOptions {
  /** `A..B`, or one number. */
  readonly seeds: string;
  readonly faults?: string;
  readonly steps?: number;
  readonly trace?: boolean;
  /** How many seeds run at the same time. */
  readonly jobs?: number;
  /** Answers in JSON, one line for each seed: for whoever shares out the seeds. */
  readonly worker?: boolean;
}

type SeedResult = Omit<SimulationResult, "incidents">;

/** What a fault may name here. */
const PROCESSES = ["apiserver-1", "control-1", "node-1"];
/** They have the same workload, of which an undisturbed run is needed. */
const SEEDS_PER_PART = 10;

/** Runs the seeds; returns the exit code. Each failure is shown with the line that repeats it. */
export async function simulate(options: SimulateOptions): Promise<number> {
  const { first, last } = rangeOf(options.seeds);
  const faults = options.faults === undefined ? undefined : loadFaults(options.faults);
  if (options.worker) return work(options);
  for (const line of faults ? unsupportedInSimulation(faults, PROCESSES) : []) {
    process.stderr.write(`not in the simulation: ${line}\n`);
  }
  const count = last - first + 1;
  const jobs = jobsOf(options.jobs);
  const total = new Total(count);
  if (jobs === 1 || options.trace || count <= SEEDS_PER_PART) {
    await runSeeds(options, (result) => total.add(result));
  } else {
    const parts = partsOf(first, last).map((seeds) => argumentsOf({ ...options, seeds }));
    await runWorkers(parts, jobs, (line) => total.add(JSON.parse(line) as SeedResult));
  }
  return total.finish();
}

function rangeOf(text: string): { first: number; last: number } {
  const range = /^(\d+)(?:\.\.(\d+))?$/.exec(text);
  if (range === null) throw new Error("--seeds takes A..B or one number, e.g. 1..200");
  const first = Number(range[1]);
  return { first, last: Number(range[2] ?? first) };
}

/** Ranges of seeds with the same workload. */
function partsOf(first: number, last: number): string[] {
  const parts: string[] = [];
  for (let from = first; from <= last; ) {
    const to = Math.min(last, Math.ceil(from / SEEDS_PER_PART) * SEEDS_PER_PART);
    parts.push(`${from}..${to}`);
    from = to + 1;
  }
  return parts;
}

function argumentsOf({ seeds, faults, steps }: SimulateOptions): string[] {
  return [
    "--worker",
    `--seeds=${seeds}`,
    ...(faults === undefined ? [] : [`--faults=${faults}`]),
    ...(steps === undefined ? [] : [`--steps=${steps}`]),
  ];
}

async function work(options: SimulateOptions): Promise<number> {
  await runSeeds(options, (result) => process.stdout.write(`${JSON.stringify(result)}\n`));
  return 0;
}

async function runSeeds(
  options: SimulateOptions,
  take: (result: SeedResult) => void,
): Promise<void> {
  const { first, last } = rangeOf(options.seeds);
  const faults = options.faults === undefined ? {} : { faults: loadFaults(options.faults) };
  const steps = options.steps === undefined ? {} : { steps: options.steps };
  const onTrace = options.trace ? { onTrace: (line: string) => console.log(line) } : {};
  for (let seed = first; seed <= last; seed++) {
    const { incidents: _, ...result } = await runSimulation({
      seed,
      ...faults,
      ...steps,
      ...onTrace,
    });
    take(result);
  }
}

/** What comes out of many seeds. */
class Total {
  readonly #count: number;
  readonly #progress = new ProgressLine();
  #done = 0;
  #failed = 0;
  #crashes = 0;
  #events = 0;
  #hash = "";

  constructor(count: number) {
    this.#count = count;
  }

  add({ seed, violations, crashes, events, reproduce, traceHash }: SeedResult): void {
    this.#done++;
    this.#crashes += crashes;
    this.#events += events;
    this.#hash = traceHash;
    if (violations.length > 0) {
      this.#failed++;
      const lines = violations.map((violation) => `  ${violation}\n`).join("");
      process.stdout.write(`seed ${seed} FAILED\n${lines}  repeat it: ${reproduce}\n`);
    }
    this.#progress.show(this.#text());
  }

  finish(): number {
    if (this.#count === 1) process.stdout.write(`trace ${this.#hash}\n`);
    const rate = Math.round(this.#events / this.#progress.seconds);
    this.#progress.show(`${this.#text()}, ${rate} events/s`, true);
    return this.#failed === 0 ? 0 : 1;
  }

  #text(): string {
    const failures = `${this.#failed} failed, ${this.#crashes} crashes`;
    return `${this.#done} of ${this.#count} seeds, ${failures}`;
  }
}
