import { describe, expect, it } from "vitest";
import { guessResource, snapshotOf, snapshotOfObjects } from "../../shared/actor/snapshot.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { World } from "./world.ts";

const NOW = Date.UTC(2026, 0, 1);

function pod(name: string, more: object = {}): KubernetesObject {
  return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "default" }, ...more };
}

describe("a snapshot of given objects", () => {
  it("fills in what every stored object has, and freezes a copy", () => {
    const given = pod("b");
    const at = snapshotOfObjects([pod("a"), given], NOW);
    const stored = at.get("pods", "default", "b");
    expect(stored?.metadata).toMatchObject({
      resourceVersion: "2",
      creationTimestamp: "2026-01-01T00:00:00Z",
      uid: "uid-of-pods/default/b",
    });
    expect(at.revision).toBe(2);
    expect(Object.isFrozen(stored?.metadata)).toBe(true);
    expect(given.metadata.uid).toBeUndefined();
  });

  it("answers as a projection of the same objects does", async () => {
    const world = new World();
    const owner = {
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      name: "rs",
      uid: "u1",
      controller: true,
    };
    const labelled = { metadata: { name: "a", namespace: "default", labels: { app: "web" } } };
    const owned = { metadata: { name: "b", namespace: "default", ownerReferences: [owner] } };
    const bound = { spec: { nodeName: "n1" } };
    const objects = [pod("c", bound), pod("b", owned), pod("a", labelled)];
    for (const object of objects) await world.put("pods", object.metadata.name, object);
    const projection = await world.projection(world.simulator.process("reader"));
    const views = [snapshotOf(projection, NOW), snapshotOfObjects(objects, NOW)];
    const names = (found: readonly KubernetesObject[]) =>
      found.map(({ metadata }) => metadata.name);
    for (const at of views) {
      expect(names(at.list("pods"))).toEqual(["a", "b", "c"]);
      expect(names(at.list("pods", "other"))).toEqual([]);
      expect(names(at.ownedBy("pods", "u1"))).toEqual(["b"]);
      expect(names(at.labelled("pods", "default", { app: "web" }))).toEqual(["a"]);
      expect(names(at.uncontrolled("pods", "default", { app: "web" }))).toEqual(["a"]);
      expect(names(at.uncontrolled("pods", "default", {}))).toEqual(["a", "c"]);
      const nameOf = ({ metadata }: KubernetesObject) => metadata.name;
      expect(at.ownedFacts("pods", "u1", nameOf)).toEqual(["b"]);
      expect(names(at.onNode("n1"))).toEqual(["c"]);
      expect(at.getKey("pods/default/zzz")).toBeUndefined();
    }
  });

  it("refuses the same object twice", () => {
    expect(() => snapshotOfObjects([pod("a"), pod("a")], NOW)).toThrow("twice");
  });

  it("names resources as Kubernetes does", () => {
    const resource = (apiVersion: string, kind: string) => guessResource({ apiVersion, kind });
    expect(resource("v1", "Endpoints")).toBe("endpoints");
    expect(resource("networking.k8s.io/v1", "Ingress")).toBe("ingresses.networking.k8s.io");
    expect(resource("networking.k8s.io/v1", "NetworkPolicy")).toBe(
      "networkpolicies.networking.k8s.io",
    );
    expect(resource("discovery.k8s.io/v1", "EndpointSlice")).toBe(
      "endpointslices.discovery.k8s.io",
    );
  });
});
