import { describe, expect, it } from "vitest";
import { encodeObject } from "../../shared/api/encode.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import { danglingObjects, INVARIANTS, USER_MARK } from "./invariants.ts";
import { Observer } from "./observer.ts";

/** Writes objects as an actor would and collects what the invariants say. */
class Scene {
  readonly #runtime = new SeededRuntime();
  readonly #store = new MemoryStore(this.#runtime);
  readonly observer = new Observer(this.#store, INVARIANTS, () => undefined);

  async write(actor: string, ...objects: KubernetesObject[]): Promise<string[]> {
    const before = this.observer.violations.length;
    const headers = { actor, replica: "r", trace: "t", cause: 0 };
    const writes = objects.map((object) => ({
      key: keyOfObject(object),
      value: encodeObject(object),
    }));
    await this.#store.commit(writes, headers);
    await this.#runtime.settle();
    return this.observer.violations.slice(before);
  }
}

const RESOURCES: Readonly<Record<string, string>> = {
  Pod: "pods",
  ReplicaSet: "replicasets.apps",
  Deployment: "deployments.apps",
  Node: "nodes",
};

function keyOfObject({ kind, metadata }: KubernetesObject): string {
  return `${RESOURCES[kind]}/${metadata.namespace ?? "_"}/${metadata.name}`;
}

function owned(name: string, ownerKind: string, owner: string, more: object = {}) {
  const reference = { apiVersion: "apps/v1", kind: ownerKind, name: owner, uid: owner };
  const ownerReferences = [{ ...reference, controller: true }];
  return { name, namespace: "default", uid: name, ownerReferences, ...more };
}

function deployment(replicas: number, rollingUpdate: object): KubernetesObject {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace: "default", uid: "web" },
    spec: { replicas, strategy: { type: "RollingUpdate", rollingUpdate } },
  };
}

function replicaSet(name: string, replicas: number, desired?: number): KubernetesObject {
  const annotations = { "deployment.kubernetes.io/desired-replicas": String(desired) };
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: owned(name, "Deployment", "web", desired === undefined ? {} : { annotations }),
    spec: { replicas },
  };
}

function pod(name: string, owner: string, more: { node?: string; meta?: object } = {}) {
  const conditions = [{ type: "Ready", status: "True" }];
  const containers = [{ name: "main", resources: { requests: { cpu: "600m" } } }];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: owned(name, "ReplicaSet", owner, more.meta),
    spec: { containers, ...(more.node ? { nodeName: more.node } : {}) },
    status: { phase: "Running", conditions },
  };
}

const NODE: KubernetesObject = {
  apiVersion: "v1",
  kind: "Node",
  metadata: { name: "n1", uid: "n1" },
  status: { allocatable: { cpu: "1", memory: "1Gi", pods: "10" } },
};

const ending = { deletionTimestamp: "2026-01-01T00:00:00Z" };

describe("the invariants", () => {
  it("find a pod too many", async () => {
    const scene = new Scene();
    expect(await scene.write("deployment", replicaSet("a", 1))).toEqual([]);
    expect(await scene.write("replicaset", pod("a-1", "a"))).toEqual([]);
    const [message] = await scene.write("replicaset", pod("a-2", "a"));
    expect(message).toContain("asks for 1 pods, has 2");
  });

  it("find a pod deleted that is asked for", async () => {
    const scene = new Scene();
    await scene.write("user", replicaSet("a", 1), pod("a-1", "a"));
    const [message] = await scene.write("replicaset", pod("a-1", "a", { meta: ending }));
    expect(message).toContain("asks for 1 pods, was cut to 0");
    // A person may.
    await scene.write("replicaset", pod("a-2", "a"));
    expect(await scene.write("user", pod("a-2", "a", { meta: ending }))).toEqual([]);
  });

  it("find a rollout beyond its surge", async () => {
    const scene = new Scene();
    const web = deployment(2, { maxSurge: 1, maxUnavailable: 0 });
    await scene.write("user", web, replicaSet("a", 2));
    expect(await scene.write("deployment", replicaSet("b", 1))).toEqual([]);
    const [message] = await scene.write("deployment", replicaSet("b", 2));
    expect(message).toContain("may have 3 pods, asks for 4");
  });

  it("find a rollout that takes away what must stay available", async () => {
    const scene = new Scene();
    const web = deployment(2, { maxSurge: 1, maxUnavailable: 1 });
    const pods = [pod("a-1", "a"), pod("a-2", "a")];
    await scene.write("user", web, replicaSet("a", 2, 2), ...pods);
    expect(await scene.write("deployment", replicaSet("a", 1, 2))).toEqual([]);
    const [message] = await scene.write("deployment", replicaSet("a", 0, 2));
    expect(message).toContain("must keep 1 pods available, keeps 0 of 1");
  });

  it("find a pod that moves, and a node that is filled beyond its room", async () => {
    const scene = new Scene();
    await scene.write("user", NODE, replicaSet("a", 5), pod("a-1", "a"), pod("a-2", "a"));
    expect(await scene.write("scheduler", pod("a-1", "a", { node: "n1" }))).toEqual([]);
    const [full] = await scene.write("scheduler", pod("a-2", "a", { node: "n1" }));
    expect(full).toContain("Node n1 is filled beyond its cpu");
    const [moved] = await scene.write("scheduler", pod("a-1", "a", { node: "n2" }));
    expect(moved).toContain("bound to n1 and then to n2");
  });

  it("find what a user wrote and somebody has undone", async () => {
    const scene = new Scene();
    const marked = { annotations: { [`${USER_MARK}1`]: "done" } };
    await scene.write("user", replicaSet("a", 5), pod("a-1", "a", { meta: marked }));
    const [message] = await scene.write("kubelet", pod("a-1", "a"));
    expect(message).toContain(`has lost ${USER_MARK}1`);
  });

  it("find a deletion that is taken back, and another object under the same name", async () => {
    const scene = new Scene();
    await scene.write("user", replicaSet("a", 5), pod("a-1", "a", { meta: ending }));
    expect(await scene.write("kubelet", pod("a-1", "a"))).toHaveLength(1);
    expect(await scene.write("kubelet", pod("a-1", "a", { meta: { uid: "other" } }))).toHaveLength(
      1,
    );
  });

  it("find what is left of owners and namespaces that are gone", async () => {
    const scene = new Scene();
    await scene.write("user", pod("a-1", "a"));
    expect(danglingObjects(scene.observer.state)).toEqual([
      "Pod default/a-1: its owner a does not exist",
      "Pod default/a-1: its namespace is gone",
    ]);
  });
});
