import type { Engine } from "../../services/apiserver/request.ts";
import { startApiserver } from "../../services/apiserver/start.ts";
import { controllers } from "../../services/controllers/index.ts";
import { type Faults, NO_FAULTS } from "../../shared/faults/language.ts";
import type { DecisionRecord } from "../../shared/log/decision.ts";
import type { History } from "../../shared/log/history.ts";
import { historyInMemory } from "../../shared/log/memory-history.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";
import type { Version } from "../../shared/store/store.ts";
import { type Call, requestOf } from "../apiserver/harness.ts";
import { createLogs, type Logs, type Member, SimulatedCluster } from "../sim/cluster.ts";
import { membersOf } from "../sim/control-plane.ts";
import { SimulatedNetwork } from "../sim/network.ts";
import { prepare, SERVICE_NETWORK } from "../sim/prepared.ts";

const NODES = 3;
const REPLY_MS = 10_000;

export interface WorldOptions {
  /** Of every actor. Default: one. */
  readonly replicas?: number;
  /** From the moment on at which the nodes are Ready. */
  readonly faults?: Faults;
  /** Sees each record, beside the history. */
  readonly onDecision?: (record: DecisionRecord) => void;
}

/** The whole control plane on virtual time, worked on by people who have names. */
export class World {
  readonly history: History;
  readonly versions: Version[] = [];
  readonly #simulator: SeededRuntime;
  readonly #cluster: SimulatedCluster;
  readonly #logs: Logs;
  readonly #disturb: () => void;
  #engine: Engine | undefined;

  private constructor({ replicas = 1, faults = NO_FAULTS, onDecision }: WorldOptions) {
    this.#simulator = new SeededRuntime();
    const network = new SimulatedNetwork(this.#simulator, NO_FAULTS);
    this.#disturb = () => {
      network.faults = faults;
    };
    this.#logs = createLogs(network);
    const decisions: DecisionRecord[] = [];
    const members = membersOf({
      replicas,
      nodes: NODES,
      logs: this.#logs,
      controllers: controllers({ rootCertificate: "certificate" }),
      decisions: {
        append: (record) => {
          decisions.push(record);
          onDecision?.(record);
        },
      },
    });
    this.#cluster = new SimulatedCluster(
      network,
      this.#logs,
      members.map((one) => this.#watched(one)),
    );
    const { cluster, events, leases } = this.#logs;
    this.history = historyInMemory({
      logs: { cluster: cluster.store, events: events.store, leases: leases.store },
      versions: this.versions,
      decisions,
    });
  }

  /** A cluster whose nodes are Ready. */
  static async start(options: WorldOptions = {}): Promise<World> {
    const world = new World(options);
    await prepare(world.#logs);
    world.#cluster.startAll();
    const { store } = world.#logs.cluster;
    store.watch("", 0, {
      version: (version) => world.versions.push(version),
      failed: (error) => {
        throw error;
      },
    });
    const ready = () => {
      const nodes = new Set<string>();
      for (const { key, value } of world.versions) {
        if (key.startsWith("nodes/") && value?.includes('"KubeletReady"')) nodes.add(key);
      }
      return nodes.size === NODES && world.#engine !== undefined;
    };
    if (!(await world.#simulator.runUntil(ready, 60_000))) throw new Error("no node became Ready");
    world.#disturb();
    return world;
  }

  /** Lets virtual time pass. */
  advance(ms: number): Promise<void> {
    return this.#simulator.advance(ms);
  }

  get now(): number {
    return this.#simulator.clock.now();
  }

  /** A request over HTTPS, by a person. @throws Error with the Status when it fails */
  async ask(person: string, call: Call): Promise<void> {
    const request = { ...requestOf(call), replica: person, trace: this.#simulator.ids.ulid() };
    const answer = await this.#simulator.complete(
      (this.#engine as Engine).handle(request),
      REPLY_MS,
    );
    if (answer.type === "body" && answer.code < 300) return;
    const body = answer.type === "body" ? Buffer.concat(answer.body).toString() : "a watch";
    throw new Error(`${call.verb} ${call.resource} ${call.name ?? ""}: ${body}`);
  }

  /** Ends a process for good; names as in the simulation: `node-2`, `control-1`. */
  crash(name: string): void {
    this.#cluster
      .alive()
      .find((process) => process.name === name)
      ?.crash();
  }

  /** Starts it again. */
  restart(name: string): void {
    this.#cluster.restart(name, 0);
  }

  /** The apiserver, of which this world keeps hold. */
  #watched(member: Member): Member {
    if (!member.name.startsWith("apiserver")) return member;
    return {
      name: member.name,
      start: async (dependencies, process) => {
        const open = (log: keyof Logs) => this.#logs[log].open(process);
        const stores = { cluster: open("cluster"), events: open("events"), leases: open("leases") };
        const started = await startApiserver(dependencies, { stores, network: SERVICE_NETWORK });
        this.#engine = started.engine;
      },
    };
  }
}
