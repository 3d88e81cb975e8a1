import { expect, it } from "vitest";
import { nodeLifecycle } from "../../services/controllers/node-lifecycle.ts";
import { snapshotOfObjects } from "../../shared/actor/snapshot.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";

function lease(renewTime: string): KubernetesObject {
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name: "n1", namespace: "kube-node-lease" },
    spec: { renewTime: `2026-01-01T${renewTime}.000000Z` },
  };
}

it("a node is looked at when its lease comes, goes, or ends a silence; not on every beat", () => {
  const rule = nodeLifecycle.wakes?.["leases.coordination.k8s.io"];
  const woken = (object?: KubernetesObject, old?: KubernetesObject) =>
    rule?.(object, old, snapshotOfObjects([], 0));
  const node = ["nodes/_/n1"];
  expect(woken(lease("00:00:00"))).toEqual(node);
  expect(woken(lease("00:00:10"), lease("00:00:00"))).toEqual([]);
  expect(woken(lease("00:00:50"), lease("00:00:00"))).toEqual(node);
  expect(woken(lease("00:00:00"), lease("00:00:10"))).toEqual(node);
  expect(woken(undefined, lease("00:00:00"))).toEqual(node);
});
