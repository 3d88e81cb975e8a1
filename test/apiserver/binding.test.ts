import { describe, expect, it } from "vitest";
import { NodeLoads } from "../../services/apiserver/allocation/node-loads.ts";
import { encodeObject } from "../../shared/api/encode.ts";
import { kindByResource } from "../../shared/api/kinds.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { trackUpdate } from "../../shared/api/patch/apply.ts";
import type { KindTable } from "../../shared/api/schema.ts";
import { seededRandom } from "../../shared/runtime/random.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import { Projection } from "../../shared/store/projection.ts";
import { HEADERS } from "../store/harness.ts";
import { type Cluster, settled, startCluster } from "./harness.ts";

const PODS = kindByResource("pods") as KindTable;
const USER = { username: "system:kube-scheduler", groups: ["system:authenticated"] };
const pods = { resource: "pods", namespace: "default" } as const;

async function bind(cluster: Cluster, name: string, node: string) {
  const { body: old } = await cluster.call({ ...pods, verb: "get", name });
  const { uid = "", resourceVersion = "" } = old.metadata;
  const action = { op: "bind", key: `pods/default/${name}`, node, uid, expect: resourceVersion };
  const asked = { user: USER, actor: "scheduler", replica: "s", trace: `bind-${name}`, cause: 0 };
  const plan = { ...asked, actions: [action as never] };
  const result = await settled(cluster.runtime, cluster.engine.plan(plan));
  const { body: next } = await cluster.call({ ...pods, verb: "get", name });
  return { old, next, result };
}

async function createNode(cluster: Cluster, name: string, cpu: string) {
  const body = { metadata: { name }, status: { allocatable: { cpu, pods: "110" } } };
  await cluster.call({ verb: "create", resource: "nodes", body });
}

async function createPod(cluster: Cluster, name: string, cpu = "1") {
  const resources = { requests: { cpu } };
  const spec = { containers: [{ name: "c", image: "i", resources }] };
  await cluster.call({ ...pods, verb: "create", body: { metadata: { name }, spec } });
}

/** What may have been written before the binding. */
const HISTORIES = {
  nothing: {},
  "another condition": { status: { conditions: [{ type: "Special", status: "True" }] } },
  "that it found no node": { status: { conditions: [{ type: "PodScheduled", status: "False" }] } },
  "no conditions": { status: { conditions: [] } },
} as const;

describe("the fields that a binding owns", () => {
  it.each(Object.entries(HISTORIES))("after %s", async (_, patch) => {
    const cluster = await startCluster();
    await createNode(cluster, "n1", "9");
    // The first of a kind is tracked in full, the others are as it was.
    for (const name of ["a", "b", "c"]) {
      await createPod(cluster, name);
      if ("status" in patch) {
        const contentType = "application/merge-patch+json";
        const status = {
          ...pods,
          verb: "patch",
          name,
          subresource: "status",
          contentType,
        } as const;
        const query = { fieldManager: name === "b" ? "zz" : "aa" };
        await cluster.call({ ...status, query, body: patch });
      }
      const { old, next } = await bind(cluster, name, "n1");
      const now = cluster.runtime.clock.now();
      const tracking = { manager: "scheduler", subresource: "binding", now };
      expect(next["spec"].nodeName).toBe("n1");
      expect(next.metadata.managedFields).toEqual(trackUpdate(old, next, PODS, tracking));
    }
  });
});

describe("the room on a node", () => {
  it("comes back when a pod ends or is deleted", async () => {
    const cluster = await startCluster();
    await createNode(cluster, "n1", "1");
    for (const name of ["a", "b", "c"]) await createPod(cluster, name);
    const dropped = { results: [{ dropped: { reason: "Conflict" } }] };
    const bound = { results: [{ revision: expect.any(Number) }] };
    expect((await bind(cluster, "a", "n1")).result).toMatchObject(bound);
    expect((await bind(cluster, "b", "n1")).result).toMatchObject(dropped);
    const contentType = "application/merge-patch+json";
    const status = {
      ...pods,
      verb: "patch",
      name: "a",
      subresource: "status",
      contentType,
    } as const;
    await cluster.call({ ...status, body: { status: { phase: "Succeeded" } } });
    expect((await bind(cluster, "b", "n1")).result).toMatchObject({ outcome: "committed" });
    expect((await bind(cluster, "c", "n1")).result).toMatchObject(dropped);
    const query = { gracePeriodSeconds: "0" };
    await cluster.call({ ...pods, verb: "delete", name: "b", query });
    expect((await bind(cluster, "c", "n1")).next["spec"].nodeName).toBe("n1");
  });
});

it("knows what every node holds, whatever happens to its pods", async () => {
  const runtime = new SeededRuntime({ seed: 1 });
  const store = new MemoryStore(runtime);
  const projection = new Projection({ runtime });
  await projection.follow(store);
  const loads = NodeLoads.of(projection);
  const random = seededRandom(1).stream("pods");
  const pick = <T>(list: readonly T[]): T => list[random.integer(list.length)] as T;
  for (let step = 0; step < 500; step++) {
    const key = `pods/default/p-${random.integer(12)}`;
    const old = projection.get(key)?.object;
    const value = random.integer(6) === 0 && old ? null : encodeObject(next(key, old));
    await store.commit([{ key, value }], HEADERS);
    await runtime.advance(1);
    for (const node of ["m", "n"]) {
      const pods = projection.onNode(node).map(({ object }) => object);
      const live = pods.filter(({ status }) => status.phase === "Running");
      const cpu = live.reduce((sum, { spec }) => sum + Number(requestOf(spec)), 0);
      expect([loads.on(node).pods, loads.on(node).amounts.get("cpu") ?? 0]).toEqual([
        live.length,
        cpu * 1000,
      ]);
    }
  }

  function next(key: string, old: KubernetesObject | undefined): KubernetesObject {
    const { generation = 9, uid = `u-${random.integer(1e6)}` } = old?.metadata ?? {};
    const resize = old !== undefined && random.integer(4) === 0;
    const cpu = old && !resize ? requestOf(old["spec"]) : String(1 + random.integer(9));
    const metadata = { name: key, uid, generation: generation + (resize ? 1 : 0), labels: {} };
    const nodeName = old?.["spec"].nodeName ?? pick([undefined, "m", "n"]);
    const spec = { containers: [{ name: "c", resources: { requests: { cpu } } }], nodeName };
    const status = { phase: pick(["Running", "Running", "Running", "Failed", "Succeeded"]) };
    return { apiVersion: "v1", kind: "Pod", metadata, spec, status } as KubernetesObject;
  }
});

function requestOf(spec: KubernetesObject["spec"]): string {
  return spec.containers[0].resources.requests.cpu;
}
