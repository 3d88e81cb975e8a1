import { controllers } from "../../services/controllers/index.ts";
import { danglingObjects } from "../../services/verify/invariants.ts";
import { createClient } from "../../shared/actor/client.ts";
import type { Controller } from "../../shared/actor/controller.ts";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import { type Faults, NO_FAULTS } from "../../shared/faults/language.ts";
import type { DecisionRecord } from "../../shared/log/decision.ts";
import { seededRandom } from "../../shared/runtime/random.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";
import { Chaos, drawFaults } from "./chaos.ts";
import { createLogs, SimulatedCluster } from "./cluster.ts";
import { type ControlPlane, membersOf } from "./control-plane.ts";
import { endState, unhealthyLines } from "./end-state.ts";
import { SimulatedNetwork } from "./network.ts";
import { Observer } from "./observer.ts";
import { prepare, USER } from "./prepared.ts";
import { WatchChecker } from "./watchers.ts";
import { drawWorkload, type Operation, User } from "./workload.ts";

export interface SimulationOptions {
  readonly seed: number;
  /** Default: drawn from the seed. */
  readonly faults?: Faults;
  /** Operations of the simulated user. */
  readonly steps?: number;
  /** Called with each line of what happens. */
  readonly onTrace?: (line: string) => void;
  /** Plants a mistake. */
  readonly mistake?: Mistake;
}

/** What a test puts in the place of the real thing, or does to it. */
export type Mistake = Partial<
  Pick<ControlPlane, "wrapDependencies" | "wrapStore" | "onControl"> & {
    controllers(real: readonly Controller[]): readonly Controller[];
  }
>;

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
  /** The line that repeats this run. */
  readonly reproduce: string;
}

const PLANS = /^api\.system:controller:(?:deployment|replicaset)\.plan$/;
const REPLICAS = 3;
const NODES = 3;
const STEPS = 12;
/** Seeds in a row that have the same workload under different faults. */
const SEEDS_PER_WORKLOAD = 10;
/** The workload must be over by then, even under faults. */
const SAFETY_MS_MAX = 300_000;
/** Without faults everything must come right within this. */
const LIVENESS_MS_MAX = 120_000;
/** And then stay as it is. */
const QUIET_MS = 15_000;
const POLL_MS = 1_000;

/**
 * Runs a whole cluster on virtual time: first with faults, while a user works on it (safety: no
 * invariant may ever break), then without (liveness: the state must become that of a run in which
 * nothing went wrong, and stay so).
 */
export async function runSimulation(options: SimulationOptions): Promise<SimulationResult> {
  const { seed, steps = STEPS } = options;
  const workload = Math.ceil(seed / SEEDS_PER_WORKLOAD);
  const operations = drawWorkload(seededRandom(workload).stream("workload"), steps);
  const expected = await undisturbedEnd(workload, operations);
  const run = new SimulationRun(options, REPLICAS);
  const faults = options.faults ?? drawFaults(run.simulator.random.stream("faults"));
  const result = await run.disturbed(faults, operations, expected);
  return { ...result, reproduce: reproduction(options) };
}

const undisturbedEnds = new Map<string, Promise<readonly string[]>>();

/** The end state when nothing goes wrong; a healthy one. */
function undisturbedEnd(workload: number, operations: readonly Operation[]) {
  const id = `${workload} ${operations.length}`;
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
  const run = new SimulationRun({ seed: workload }, 1);
  const end = await run.undisturbed(operations);
  const unhealthy = unhealthyLines(end);
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

class SimulationRun {
  readonly simulator: SeededRuntime;
  readonly #network: SimulatedNetwork;
  readonly #cluster: SimulatedCluster;
  readonly #observer: Observer;
  readonly #user: User;
  readonly #violations: string[] = [];

  constructor(options: SimulationOptions, replicas: number) {
    const simulator = new SeededRuntime({ seed: options.seed });
    this.simulator = simulator;
    simulator.onTrace = options.onTrace;
    this.#network = new SimulatedNetwork(simulator, NO_FAULTS);
    const logs = createLogs(this.#network);
    const trace = (line: string): void => simulator.trace(line);
    this.#observer = new Observer(logs.cluster.store, trace);
    this.#network.onSend = (subject, data) => {
      if (PLANS.test(subject)) this.#observer.planned(data);
    };
    const real = controllers({ rootCertificate: "certificate" });
    const members = membersOf({
      ...options.mistake,
      replicas,
      nodes: NODES,
      logs,
      controllers: options.mistake?.controllers?.(real) ?? real,
      decisions: { append: (record) => trace(describeDecision(record)) },
    });
    this.#cluster = new SimulatedCluster(this.#network, logs, members);
    this.#user = new User(simulator, this.#client("user"), trace);
  }

  async undisturbed(operations: readonly Operation[]): Promise<string[]> {
    await prepare(this.#cluster.logs);
    this.#cluster.startAll();
    void this.#user.run(operations);
    await this.simulator.runUntil(() => this.#user.finished, SAFETY_MS_MAX);
    await this.#quietFor(QUIET_MS, LIVENESS_MS_MAX);
    return endState(this.#observer.state);
  }

  async disturbed(faults: Faults, operations: readonly Operation[], expected: readonly string[]) {
    const { simulator } = this;
    await prepare(this.#cluster.logs);
    this.#network.faults = faults;
    const chaos = new Chaos(this.#network, {
      alive: () => this.#cluster.alive(),
      owns: (process) => this.#cluster.owns(process),
      restart: (name, afterMs) => this.#cluster.restart(name, afterMs),
    });
    this.#cluster.skewOf = (name) => chaos.skewOf(name);
    this.#cluster.startAll();
    const watches = ["pods", "deployments.apps"].map(
      (resource) => new WatchChecker(this.#client(`watcher-${resource}`), resource, this.#observer),
    );
    void this.#user.run(operations);
    await simulator.runUntil(() => this.#user.finished, SAFETY_MS_MAX);
    simulator.trace("liveness");
    chaos.stop();
    this.#cluster.reviveAll();
    await this.#converge(expected);
    this.#violations.push(...watches.flatMap((watch) => watch.finish()));
    return this.#result(chaos);
  }

  async #converge(expected: readonly string[]): Promise<void> {
    if (!(await this.simulator.runUntil(() => this.#user.finished, LIVENESS_MS_MAX))) {
      this.#violations.push("the user's operations do not come to an end");
    }
    const wanted = expected.join("\n");
    const reached = (): boolean => endState(this.#observer.state).join("\n") === wanted;
    const end = this.simulator.nowMs + LIVENESS_MS_MAX;
    while (!reached() && this.simulator.nowMs < end) await this.simulator.advance(POLL_MS);
    if (!reached()) {
      this.#violations.push(...difference(expected, endState(this.#observer.state)));
      return;
    }
    if (!(await this.#quietFor(QUIET_MS, LIVENESS_MS_MAX))) {
      this.#violations.push("writes go on although the end state is reached");
    }
    if (!reached()) this.#violations.push("the end state was left again");
    this.#violations.push(...danglingObjects(this.#observer.state));
  }

  /** Waits until the log has not grown for `ms`; false when it does not stop growing. */
  async #quietFor(ms: number, limitMs: number): Promise<boolean> {
    const end = this.simulator.nowMs + limitMs;
    while (this.simulator.nowMs < end) {
      const { revision } = this.#observer;
      await this.simulator.advance(ms);
      if (this.#observer.revision === revision) return true;
    }
    return false;
  }

  /** A client outside the cluster: it never crashes. */
  #client(name: string) {
    const runtime = this.simulator.process(name);
    const bus = this.#network.connect(runtime);
    return createClient({ runtime, bus, logger: silentLogger, identity: USER });
  }

  #result(chaos: Chaos) {
    const { simulator } = this;
    const { violations, revision } = this.#observer;
    const all = [
      ...violations,
      ...this.#cluster.errors,
      ...this.#user.complaints,
      ...this.#violations,
    ];
    return {
      seed: simulator.seed,
      traceHash: simulator.traceHash,
      violations: all,
      crashes: chaos.crashes,
      events: simulator.events,
      revision,
      virtualMs: simulator.nowMs,
    };
  }
}

/** Commits are told by the log. */
function describeDecision({ actor, replica, key, outcome, message }: DecisionRecord): string {
  return `${outcome} ${actor}@${replica} ${key}${message ? `: ${message}` : ""}`;
}

function difference(expected: readonly string[], actual: readonly string[]): string[] {
  const missing = expected.filter((line) => !actual.includes(line));
  const surplus = actual.filter((line) => !expected.includes(line));
  return [
    ...missing.map((line) => `missing at the end: ${line}`),
    ...surplus.map((line) => `left at the end: ${line}`),
  ];
}
