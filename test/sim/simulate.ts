import { danglingObjects } from "../../services/verify/invariants.ts";
import { type Faults, NO_FAULTS } from "../../shared/faults/language.ts";
import { seededRandom } from "../../shared/runtime/random.ts";
import { Chaos, drawFaults } from "./chaos.ts";
import type { Compaction } from "./control-plane.ts";
import { Dice, type Incident, type ScriptedIncident } from "./dice.ts";
import { endState, unhealthyLines } from "./end-state.ts";
import { LIVENESS_MS_MAX, type Mistake, SimulatedRun } from "./run.ts";
import { WatchChecker } from "./watchers.ts";
import { drawWorkload, type Operation } from "./workload.ts";

export interface SimulationOptions {
  readonly seed: number;
  /** Default: drawn from the seed. */
  readonly faults?: Faults;
  /** Operations of the simulated user. */
  readonly steps?: number;
  /** Of the operations only those with these numbers, from 0. */
  readonly operations?: readonly number[];
  /** Of what the faults may do, only this happens. */
  readonly script?: readonly ScriptedIncident[];
  /** Called with each line of what happens. */
  readonly onTrace?: (line: string) => void;
  /** Plants a mistake. */
  readonly mistake?: Mistake;
}

export type { Mistake } from "./run.ts";

export interface SimulationResult {
  readonly seed: number;
  /** Over everything that happened: equal for equal seeds. */
  readonly traceHash: string;
  /** Empty: nothing went wrong. */
  readonly violations: readonly string[];
  readonly crashes: number;
  readonly events: number;
  /** Commits of the cluster log. */
  readonly revision: number;
  readonly virtualMs: number;
  /** Every fault that has happened. */
  readonly incidents: readonly Incident[];
  /** The line that repeats this run. */
  readonly reproduce: string;
}

const REPLICAS = 3;
export const STEPS = 12;
/** Seeds in a row that have the same workload under different faults. */
const SEEDS_PER_WORKLOAD = 10;
/** The workload must be over by then, even under faults. */
const SAFETY_MS_MAX = 300_000;
/** And then stay as it is. */
const QUIET_MS = 15_000;
const POLL_MS = 1_000;

/**
 * Runs a whole cluster on virtual time: first with faults, while a user works on it (safety: no
 * invariant may ever break), then without (liveness: the state must become that of a run in which
 * nothing went wrong, and stay so).
 */
export async function runSimulation(options: SimulationOptions): Promise<SimulationResult> {
  const { seed } = options;
  const operations = operationsOf(options);
  const expected = await undisturbedEnd(workloadOf(seed), operations);
  const faults = options.faults ?? faultsOf(seed);
  const result = await runDisturbed({ ...options, faults, operations, expected });
  return { ...result, reproduce: reproduction(options) };
}

/** What the user of a run does. */
export function operationsOf(options: SimulationOptions): readonly Operation[] {
  const { seed, steps = STEPS, operations: kept } = options;
  const all = drawWorkload(seededRandom(workloadOf(seed)).stream("workload"), steps);
  return kept === undefined ? all : all.filter((_, index) => kept.includes(index));
}

/** The faults of a seed, where no file says which. */
export function faultsOf(seed: number): Faults {
  return drawFaults(seededRandom(seed, "world/0/").stream("faults"));
}

function workloadOf(seed: number): number {
  return Math.ceil(seed / SEEDS_PER_WORKLOAD);
}

/** A log that forgets while its readers lag: in every third run. */
function compactionOf(seed: number): Compaction | undefined {
  const random = seededRandom(seed, "world/0/").stream("compaction");
  if (random.next() > 0.3) return undefined;
  return { horizonMs: 500 + random.next() * 10_000, everyMs: 500 + random.next() * 5_000 };
}

const undisturbedEnds = new Map<string, Promise<readonly string[]>>();

/** The end state when nothing goes wrong; a healthy one. */
function undisturbedEnd(workload: number, operations: readonly Operation[]) {
  const id = `${workload} ${operations.map(({ what }) => what).join()}`;
  let end = undisturbedEnds.get(id);
  if (end === undefined) {
    end = runUndisturbed(workload, operations);
    undisturbedEnds.set(id, end);
  }
  return end;
}

/** One replica of everything, no faults. */
async function runUndisturbed(
  workload: number,
  operations: readonly Operation[],
): Promise<readonly string[]> {
  const run = new SimulatedRun({ seed: workload, replicas: 1 });
  await run.start();
  void run.user.run(operations);
  await run.simulator.runUntil(() => run.user.finished, SAFETY_MS_MAX);
  await run.quietFor(QUIET_MS, LIVENESS_MS_MAX);
  const end = endState(run.observer.state);
  const unhealthy = [...unhealthyLines(end), ...run.user.complaints];
  if (unhealthy.length === 0) return end;
  throw new Error(`workload ${workload} fails without any fault:\n${unhealthy.join("\n")}`);
}

function reproduction({ seed, steps, faults }: SimulationOptions): string {
  const more = [
    ...(steps === undefined ? [] : [`--steps ${steps}`]),
    ...(faults === undefined ? [] : ["--faults <the same file>"]),
  ];
  return ["npx cox sim", `--seeds ${seed}..${seed}`, ...more, "--trace"].join(" ");
}

interface DisturbedOptions extends Omit<SimulationOptions, "operations" | "steps"> {
  readonly faults: Faults;
  readonly operations: readonly Operation[];
  readonly expected: readonly string[];
}

async function runDisturbed(options: DisturbedOptions) {
  const { seed, faults, operations, expected, script } = options;
  const settings = { ...options, replicas: REPLICAS, compaction: compactionOf(seed) };
  const run = new SimulatedRun(settings);
  const { simulator, network, cluster, observer, user } = run;
  network.faults = faults;
  network.dice = new Dice(simulator, script);
  const chaos = new Chaos(network, {
    alive: () => cluster.alive(),
    owns: (process) => cluster.owns(process),
    restart: (name, afterMs) => cluster.restart(name, afterMs),
  });
  cluster.skewOf = (name) => chaos.skewOf(name);
  await run.start();
  const watches = ["pods", "deployments.apps"].map(
    (resource) => new WatchChecker(run.client(`watcher-${resource}`), resource, observer),
  );
  void user.run(operations);
  await simulator.runUntil(() => user.finished, SAFETY_MS_MAX);
  // A node that is silent for long is missed by then.
  await simulator.advance(Math.max(0, chaos.lastReturnMs - simulator.nowMs));
  simulator.trace("liveness");
  chaos.stop();
  network.faults = NO_FAULTS;
  cluster.reviveAll();
  const late = await converge(run, expected);
  const watched = watches.flatMap((watch) => watch.finish());
  return {
    seed,
    traceHash: simulator.traceHash,
    violations: [...run.violations, ...late, ...watched],
    crashes: chaos.crashes,
    events: simulator.events,
    revision: observer.revision,
    virtualMs: simulator.nowMs,
    incidents: network.dice.incidents,
  };
}

/** Waits for the end state of an undisturbed run; answers what is wrong with what comes out. */
async function converge(run: SimulatedRun, expected: readonly string[]): Promise<string[]> {
  const { simulator, observer, user } = run;
  const wrong: string[] = [];
  if (!(await simulator.runUntil(() => user.finished, LIVENESS_MS_MAX))) {
    wrong.push("the user's operations do not come to an end");
  }
  const wanted = expected.join("\n");
  const reached = (): boolean => endState(observer.state).join("\n") === wanted;
  const end = simulator.nowMs + LIVENESS_MS_MAX;
  while (!reached() && simulator.nowMs < end) await simulator.advance(POLL_MS);
  if (!reached()) return [...wrong, ...difference(expected, endState(observer.state))];
  if (!(await run.quietFor(QUIET_MS, LIVENESS_MS_MAX))) {
    wrong.push("writes go on although the end state is reached");
  }
  if (!reached()) wrong.push("the end state was left again");
  return [...wrong, ...danglingObjects(observer.state)];
}

/** How two end states differ, in lines. */
export function difference(expected: readonly string[], actual: readonly string[]): string[] {
  const missing = expected.filter((line) => !actual.includes(line));
  const surplus = actual.filter((line) => !expected.includes(line));
  return [
    ...missing.map((line) => `missing at the end: ${line}`),
    ...surplus.map((line) => `left at the end: ${line}`),
  ];
}
