/** A past moment that goes on, in simulation and on virtual time. */

import { encodeObject } from "../../shared/api/encode.ts";
import type { ConfigMap, Lease, Node, Service } from "../../shared/api/generated/types.ts";
import { keyOf } from "../../shared/api/key.ts";
import { NO_FAULTS } from "../../shared/faults/language.ts";
import type { DecisionRecord } from "../../shared/log/decision.ts";
import type { History } from "../../shared/log/history.ts";
import { historyInMemory } from "../../shared/log/memory-history.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";
import type { MemoryStore } from "../../shared/store/memory.ts";
import type { Revision, Version } from "../../shared/store/store.ts";
import { type Logs, type Member, SimulatedCluster } from "../../test/sim/cluster.ts";
import { membersOf } from "../../test/sim/control-plane.ts";
import { SimulatedLog } from "../../test/sim/log.ts";
import { SimulatedNetwork } from "../../test/sim/network.ts";
import { pastLogs } from "../apiserver/past/start.ts";
import { controllers } from "../controllers/index.ts";
import { startSimulatedNodes } from "../kubelet/runtimes/simulated.ts";

export interface ForkOptions {
  readonly history: History;
  readonly revision: Revision;
  /** The time at which the moment is, milliseconds since the Unix epoch. */
  readonly time: number;
  readonly seed: number;
  /** How long it goes on, virtual milliseconds. */
  readonly forMs: number;
}

export interface Fork {
  /** Of the moment and what came of it; the past before the moment is not in it. */
  readonly history: History;
  readonly revision: Revision;
  /** When it ended, by the virtual clock. */
  readonly time: number;
  /** Nodes that were Ready, and are played; others stay as silent as they were. */
  readonly nodes: number;
  /** Errors that ended a process of the simulation. */
  readonly errors: readonly string[];
}

const LEASE_NAMESPACE = "kube-node-lease";
const LEASE_SECONDS = 40;
const HEADERS = { actor: "user", replica: "fork", trace: "", cause: 0 };

/**
 * Lets the cluster of the moment go on: its control plane, one replica of each actor, over a copy
 * of its logs, and played nodes in the place of those that were Ready. Equal for equal seeds.
 * @throws CompactedError, FutureRevisionError
 */
export async function fork(options: ForkOptions): Promise<Fork> {
  const { time, seed, forMs } = options;
  const simulator = new SeededRuntime({ seed, startMs: time });
  const network = new SimulatedNetwork(simulator, NO_FAULTS);
  const past = await pastLogs({ ...options, runtime: simulator });
  const { cluster, events, leases } = past;
  const logs: Logs = {
    cluster: new SimulatedLog("cluster", cluster.store, network),
    events: new SimulatedLog("events", events.store, network),
    leases: new SimulatedLog("leases", leases.store, network),
  };
  const { versions } = await cluster.store.list("");
  const state = new State(versions);
  const nodes = state.all<Node>("nodes/").filter(isReady);
  await renewLeases(leases.store, nodes, time);
  const decisions: DecisionRecord[] = [];
  const members = membersOf({
    replicas: 1,
    nodes: 0,
    logs,
    controllers: controllers({ rootCertificate: state.rootCertificate }),
    decisions: { append: (record) => decisions.push(record) },
    ...state.serviceNetwork,
  });
  const simulated = new SimulatedCluster(network, logs, [...members, playing(nodes)]);
  simulated.startAll();
  cluster.store.watch("", cluster.from, {
    version: (version) => versions.push(version),
    failed: (error) => {
      throw error;
    },
  });
  await simulator.advance(forMs);
  for (const process of simulated.alive()) process.crash();
  const stores = { cluster: cluster.store, events: events.store, leases: leases.store };
  return {
    history: historyInMemory({ logs: stores, versions, decisions }),
    revision: await cluster.store.head(),
    time: simulator.clock.now(),
    nodes: nodes.length,
    errors: simulated.errors,
  };
}

function playing(existing: readonly Node[]): Member {
  return {
    name: "nodes-1",
    start: async (dependencies) => {
      await startSimulatedNodes(dependencies, { count: 0, prefix: "node", existing });
    },
  };
}

/** Leases have no past: nodes that were Ready had been heard of. */
async function renewLeases(
  store: MemoryStore,
  nodes: readonly Node[],
  time: number,
): Promise<void> {
  for (const { metadata } of nodes) {
    const { name, uid = "" } = metadata;
    const key = keyOf("leases.coordination.k8s.io", LEASE_NAMESPACE, name);
    const lease: Lease = {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name, namespace: LEASE_NAMESPACE, uid },
      spec: {
        holderIdentity: name,
        leaseDurationSeconds: LEASE_SECONDS,
        renewTime: new Date(time).toISOString().replace("Z", "000Z"),
      },
    };
    await store.commit([{ key, value: encodeObject(lease as never) }], HEADERS);
  }
}

function isReady({ status }: Node): boolean {
  return (status?.conditions ?? []).some(
    (condition) => condition.type === "Ready" && condition.status === "True",
  );
}

/** What a cluster's settings are, as far as its objects tell. */
class State {
  readonly #versions: readonly Version[];

  constructor(versions: readonly Version[]) {
    this.#versions = [...versions];
  }

  all<T>(prefix: string): T[] {
    return this.#versions
      .filter(({ key, value }) => key.startsWith(prefix) && value !== null)
      .map(({ value }) => JSON.parse(String(value)) as T);
  }

  get rootCertificate(): string {
    const published = this.all<ConfigMap>("configmaps/").find(
      ({ metadata }) => metadata.name === "kube-root-ca.crt",
    );
    return published?.data?.["ca.crt"] ?? "";
  }

  /** The API server's own Service has the first address. */
  get serviceNetwork(): { serviceCidr?: string } {
    const [service] = this.all<Service>("services/default/kubernetes");
    const [a, b] = (service?.spec?.clusterIP ?? "").split(".");
    return a && b ? { serviceCidr: `${a}.${b}.0.0/16` } : {};
  }
}
