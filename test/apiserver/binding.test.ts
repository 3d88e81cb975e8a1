import { describe, expect, it } from "vitest";
import { kindByResource } from "../../shared/api/kinds.ts";
import { trackUpdate } from "../../shared/api/patch/apply.ts";
import type { KindTable } from "../../shared/api/schema.ts";
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
