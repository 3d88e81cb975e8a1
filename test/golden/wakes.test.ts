import { expect, it } from "vitest";
import { endpointslice } from "../../services/controllers/endpointslice.ts";
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

it("a Service is looked at when a pod's change shows in its endpoints", () => {
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "default" },
    spec: { selector: { app: "web" } },
  };
  const at = snapshotOfObjects([service], 0);
  const pod = (status: object, metadata: object = {}): KubernetesObject => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p", namespace: "default", uid: "u", labels: { app: "web" }, ...metadata },
    spec: { nodeName: "n1" },
    status,
  });
  const conditions = (status: string) => [{ type: "Ready", status }];
  const waiting = pod({ phase: "Pending" });
  const running = pod({ podIP: "10.0.0.1", conditions: conditions("False") });
  const ready = pod({ podIP: "10.0.0.1", conditions: conditions("True") });
  const woken = (object?: KubernetesObject, old?: KubernetesObject) =>
    endpointslice.wakes?.["pods"]?.(object, old, at);
  const web = ["services/default/web"];
  expect(woken(waiting)).toEqual([]);
  expect(woken(running, waiting)).toEqual(web);
  expect(woken(ready, running)).toEqual(web);
  expect(woken(pod({ ...ready["status"], message: "all is well" }), ready)).toEqual([]);
  expect(woken(pod(ready["status"], { labels: { app: "other" } }), ready)).toEqual(web);
  expect(woken(pod(ready["status"], { deletionTimestamp: "2026" }), ready)).toEqual(web);
  expect(woken(pod({ ...ready["status"], phase: "Failed" }), ready)).toEqual(web);
  expect(woken(undefined, ready)).toEqual(web);
  expect(woken(undefined, waiting)).toEqual([]);
});
