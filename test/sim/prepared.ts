import { startApiserver } from "../../services/apiserver/start.ts";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import { encodeObject } from "../../shared/api/encode.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { NO_FAULTS } from "../../shared/faults/language.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";
import type { Write } from "../../shared/store/store.ts";
import { createLogs, type Logs } from "./cluster.ts";
import { SimulatedNetwork } from "./network.ts";

export const SERVICE_NETWORK = {
  serviceCidr: "10.96.0.0/16",
  nodePortRange: [30_000, 32_767],
} as const;
/** The simulated user, who may do everything. */
export const USER = "admin";

const HEADERS = { actor: "user", replica: USER, trace: "", cause: 0 };
const MINUTE_MS = 60_000;

let prepared: Promise<readonly Write[]> | undefined;

/**
 * Fills fresh logs with what every cluster has from its first start on (roles, namespaces), as
 * written by a real first start once: every run begins with a cluster that has been set up.
 */
export async function prepare(logs: Logs): Promise<void> {
  prepared ??= firstStart();
  const { store } = logs.cluster;
  const writes = await prepared;
  await store.commit(writes, HEADERS);
}

async function firstStart(): Promise<readonly Write[]> {
  // An hour before the runs begin, so that nothing in them is older than the cluster.
  const simulator = new SeededRuntime({ startMs: new SeededRuntime().startMs - 60 * MINUTE_MS });
  const network = new SimulatedNetwork(simulator, NO_FAULTS);
  const logs = createLogs(network);
  const runtime = simulator.process("first-start");
  const dependencies = {
    runtime,
    bus: network.connect(runtime),
    logger: silentLogger,
    replica: "first-start",
  };
  const { cluster, events, leases } = logs;
  await logs.cluster.store.commit([administrator()], HEADERS);
  const started = startApiserver(dependencies, {
    stores: { cluster: cluster.store, events: events.store, leases: leases.store },
    network: SERVICE_NETWORK,
  });
  await simulator.complete(started, MINUTE_MS);
  const { versions } = await cluster.store.list("");
  return versions.map(({ key, value }) => ({ key, value, expect: 0 }));
}

function administrator(): Write {
  const binding: KubernetesObject = {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: "simulated-administrator", uid: "00000000-0000-4000-8000-000000000001" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: USER }],
  };
  const key = "clusterrolebindings.rbac.authorization.k8s.io/_/simulated-administrator";
  return { key, value: encodeObject(binding) };
}
