import { controllers } from "../../services/controllers/index.ts";
import type { Bus } from "../../shared/actor/bus.ts";
import { type ApiClient, createClient } from "../../shared/actor/client.ts";
import type { Controller } from "../../shared/actor/controller.ts";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import { NO_FAULTS } from "../../shared/faults/language.ts";
import type { DecisionRecord } from "../../shared/log/decision.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";
import { createLogs, type Logs, SimulatedCluster } from "./cluster.ts";
import { type Compaction, type ControlPlane, membersOf } from "./control-plane.ts";
import { SimulatedNetwork } from "./network.ts";
import { Observer } from "./observer.ts";
import { prepare, USER } from "./prepared.ts";
import { User } from "./workload.ts";

/** What a test puts in the place of the real thing, or does to it. */
export type Mistake = Partial<
  Pick<ControlPlane, "wrapDependencies" | "wrapStore" | "onControl"> & {
    controllers(real: readonly Controller[]): readonly Controller[];
  }
>;

export interface RunSettings {
  readonly seed: number;
  /** Of the apiserver, and of the process with everything else. */
  readonly replicas: number;
  readonly compaction?: Compaction | undefined;
  readonly onTrace?: ((line: string) => void) | undefined;
  readonly onDecision?: ((record: DecisionRecord) => void) | undefined;
  readonly mistake?: Mistake | undefined;
}

const PLANS = /^api\.system:controller:(?:deployment|replicaset)\.plan$/;
const NODES = 3;
/** Longer than a process of these simulations is stopped, or cut off. */
const USER_PATIENCE_MS = 8_000;

/** Without faults everything must come right within this. */
export const LIVENESS_MS_MAX = 120_000;

/** One simulated cluster with its user, before anything has happened. */
export class SimulatedRun {
  readonly simulator: SeededRuntime;
  readonly network: SimulatedNetwork;
  readonly logs: Logs;
  readonly cluster: SimulatedCluster;
  readonly observer: Observer;
  readonly user: User;

  constructor({ seed, replicas, mistake, compaction, onTrace, onDecision }: RunSettings) {
    const simulator = new SeededRuntime({ seed });
    this.simulator = simulator;
    simulator.onTrace = onTrace;
    this.network = new SimulatedNetwork(simulator, NO_FAULTS);
    this.logs = createLogs(this.network);
    const trace = (line: string): void => simulator.trace(line);
    this.observer = new Observer(this.logs.cluster.store, trace);
    this.network.onSend = (subject, data) => {
      if (PLANS.test(subject)) this.observer.planned(data);
    };
    const real = controllers({ rootCertificate: "certificate" });
    const members = membersOf({
      ...mistake,
      ...(compaction === undefined ? {} : { compaction }),
      replicas,
      nodes: NODES,
      logs: this.logs,
      controllers: mistake?.controllers?.(real) ?? real,
      decisions: {
        append: (record) => {
          trace(describeDecision(record));
          onDecision?.(record);
        },
      },
    });
    this.cluster = new SimulatedCluster(this.network, this.logs, members);
    this.user = new User(simulator, this.#userClient(), trace);
  }

  /** Fills the log and starts every process; time does not pass. */
  async start(): Promise<void> {
    await prepare(this.logs);
    this.cluster.startAll();
  }

  /** Waits until the log has not grown for `ms`; false when it does not stop growing. */
  async quietFor(ms: number, limitMs: number): Promise<boolean> {
    const end = this.simulator.nowMs + limitMs;
    while (this.simulator.nowMs < end) {
      const { revision } = this.observer;
      await this.simulator.advance(ms);
      if (this.observer.revision === revision) return true;
    }
    return false;
  }

  /** A client outside the cluster: it never crashes. */
  client(name: string): ApiClient {
    const runtime = this.simulator.process(name);
    const bus = this.network.connect(runtime);
    return createClient({ runtime, bus, logger: silentLogger, identity: USER });
  }

  /**
   * The user asks as kubectl does: one request at a time, and not again before it must be taken for
   * lost. A creation cannot say which object it means: one that was given up and comes true after
   * the user has deleted the object makes it anew, here as with Kubernetes.
   */
  #userClient(): ApiClient {
    const runtime = this.simulator.process("user");
    const bus = this.network.connect(runtime);
    const deaf: Bus = {
      publish: (...message) => bus.publish(...message),
      request: (...message) => bus.request(...message),
      inbox: () => bus.inbox(),
      flush: () => bus.flush(),
      connected: true,
      onStatus: (listener) => bus.onStatus(listener),
      // Of apiservers that arrive: they are no reason to ask again.
      subscribe: () => ({ stop: () => undefined }),
    };
    const options = { runtime, bus: deaf, logger: silentLogger, identity: USER };
    return createClient({ ...options, attemptMs: USER_PATIENCE_MS });
  }

  /** What has gone wrong so far. */
  get violations(): string[] {
    return [...this.observer.violations, ...this.cluster.errors, ...this.user.complaints];
  }
}

/** Commits are told by the log. */
function describeDecision({ actor, replica, key, outcome, message }: DecisionRecord): string {
  return `${outcome} ${actor}@${replica} ${key}${message ? `: ${message}` : ""}`;
}
