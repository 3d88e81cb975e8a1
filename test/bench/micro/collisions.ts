/**
 * How often several schedulers get in one another's way, counted on virtual time: the same seed
 * gives the same figures. Each scheduler has a projection and an apiserver of its own; a commit
 * takes 2 ms, a version 1 ms to arrive. The pods fill the nodes to nine tenths.
 */

import { startScheduler } from "../../../services/scheduler/start.ts";
import type { Bus } from "../../../shared/actor/bus.ts";
import type { ApiClient } from "../../../shared/actor/client.ts";
import { silentLogger } from "../../../shared/actor/dependencies.ts";
import type { Membership } from "../../../shared/actor/membership.ts";
import { encodeObject } from "../../../shared/api/encode.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import { hash32 } from "../../../shared/runtime/random.ts";
import { SeededRuntime } from "../../../shared/runtime/seeded.ts";
import { MemoryStore } from "../../../shared/store/memory.ts";
import { ConflictError, type Store } from "../../../shared/store/store.ts";
import { startReplica } from "../../apiserver/harness.ts";
import { HEADERS } from "../../store/harness.ts";

const COMMIT_MS = 2;
const DELIVERY_MS = 1;
const PODS_A_NODE = 10;
const PODS = 2_000;
const PODS_A_MS = 2;

export interface Collisions {
  /** Plans of bindings that were committed, and attempts that the fence refused. */
  plans: number;
  conflicts: number;
  /** Bindings that were made, and such as were dropped because the node was full by then. */
  bound: number;
  dropped: number;
}

/** Runs until all pods are bound. */
export async function countCollisions(schedulers: number, nodes: number): Promise<Collisions> {
  const runtime = new SeededRuntime({ seed: 1 });
  const counts: Collisions = { plans: 0, conflicts: 0, bound: 0, dropped: 0 };
  const real = new MemoryStore(runtime);
  const pods = Math.min(PODS, Math.floor(nodes * PODS_A_NODE * 0.9));
  const room = Math.ceil(pods / 0.9 / nodes);
  await put(real, "namespaces/_/default", { kind: "Namespace", metadata: { name: "default" } });
  for (let index = 0; index < nodes; index++) {
    const name = `node-${index}`;
    const allocatable = { cpu: "64", memory: "256Gi", pods: String(room) };
    await put(real, `nodes/_/${name}`, {
      kind: "Node",
      metadata: { name },
      status: { allocatable },
    });
  }
  for (let index = 0; index < schedulers; index++) {
    const member = { index, of: schedulers };
    await startMember(runtime, slow(real, runtime, counts), counts, member);
  }
  for (let index = 0; index < pods; index++) {
    await put(real, `pods/default/p-${index}`, podOf(index));
    if (index % PODS_A_MS === 0) await runtime.advance(1);
  }
  for (let ms = 0; counts.bound < pods && ms < 60_000; ms += 10) await runtime.advance(10);
  if (counts.bound !== pods) throw new Error(`${counts.bound} of ${pods} pods were bound`);
  return counts;
}

function podOf(index: number): Partial<KubernetesObject> {
  const requests = { cpu: "100m", memory: "64Mi" };
  const containers = [{ name: "c", image: "i", resources: { requests } }];
  const metadata = { name: `p-${index}`, namespace: "default", uid: `u-${index}`, generation: 1 };
  return { kind: "Pod", metadata, spec: { containers }, status: { phase: "Pending" } };
}

async function put(store: Store, key: string, object: Partial<KubernetesObject>): Promise<void> {
  const value = encodeObject({ apiVersion: "v1", ...object } as KubernetesObject);
  await store.commit([{ key, value }], HEADERS);
}

/** The store as a process sees it from afar. */
function slow(real: Store, runtime: SeededRuntime, counts: Collisions): Store {
  const instead: Partial<Store> = {
    commit: async (writes, headers) => {
      await runtime.timers.sleep(COMMIT_MS);
      try {
        const revisions = await real.commit(writes, headers);
        counts.plans++;
        return revisions;
      } catch (error) {
        if (error instanceof ConflictError) counts.conflicts++;
        throw error;
      }
    },
    watch: (prefix, from, handler) => {
      const later = (run: () => void) => runtime.timers.after(DELIVERY_MS, run);
      return real.watch(prefix, from, {
        version: (version) => later(() => handler.version(version)),
        caughtUp: (revision) => later(() => handler.caughtUp?.(revision)),
        failed: (error) => handler.failed(error),
      });
    },
  };
  return new Proxy(real, {
    get(target, field) {
      const value: unknown = Reflect.get(instead, field) ?? Reflect.get(target, field);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

async function startMember(
  runtime: SeededRuntime,
  cluster: Store,
  counts: Collisions,
  { index, of }: { readonly index: number; readonly of: number },
): Promise<void> {
  const empty = () => new MemoryStore(runtime);
  const stores = { cluster, events: empty(), leases: empty() };
  const { engine, projections } = await startReplica(runtime, stores);
  const user = { username: "system:kube-scheduler", groups: ["system:authenticated"] };
  const client = {
    plan: async (request: Parameters<ApiClient["plan"]>[0]) => {
      const answer = await engine.plan({ ...request, user });
      const results = answer.outcome === "committed" ? answer.results : [];
      for (const { dropped } of results) counts[dropped ? "dropped" : "bound"]++;
      return answer;
    },
    request: async () => ({}),
  } as Partial<ApiClient> as ApiClient;
  const membership: Membership = {
    owns: (key) => hash32(key) % of === index,
    members: () => [],
    onChange: () => ({ stop: () => undefined }),
    leave: () => undefined,
  };
  const bus = {} as Bus;
  const replica = `control-${index + 1}`;
  const dependencies = { runtime, bus, logger: silentLogger, replica };
  const decisions = { append: () => undefined };
  const { cluster: projection } = projections;
  startScheduler({ dependencies, client, membership, projection, decisions });
}
