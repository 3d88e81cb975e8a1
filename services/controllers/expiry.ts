/**
 * Expiry controllers: Kubernetes Events are forgotten an hour after they were last seen, as by
 * kube-apiserver's --event-ttl, and node leases with their nodes; both also go with their
 * namespace, since the logs that hold them are not the namespace's. Expiry is an actor and not a
 * property of the log: a per-message lifetime can bring an older version back (DESIGN D7).
 */

import type { Controller, Snapshot } from "../../shared/actor/controller.ts";
import type { Plan } from "../../shared/actor/plan.ts";
import type { Event, Lease } from "../../shared/api/generated/types.ts";
import { type GroupResource, keyOf } from "../../shared/api/key.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { parseTime } from "../../shared/api/time.ts";
import type { Key } from "../../shared/store/store.ts";
import type { Entry, View } from "../../shared/store/view.ts";

const EVENT_LIFETIME_MS = 3_600_000;
const LEASE_NAMESPACE = "kube-node-lease";
/** A node that registers writes its lease first: do not take it away between the two. */
const LEASE_GRACE_MS = 60_000;
/** There is no order between logs: a namespace that is not seen may only be not seen yet. */
const NAMESPACE_GRACE_MS = 5_000;

export const eventExpiry: Controller = {
  name: "event-expiry",
  version: 1,
  primary: "events",
  wakes: { namespaces: (object, old, at) => contentsOf("events", object, old, at) },
  restsUntil: eventRestsUntil,
  reconcile: expireEvent,
};

export const leaseExpiry: Controller = {
  name: "lease-expiry",
  version: 1,
  primary: "leases.coordination.k8s.io",
  wakes: {
    nodes: wokenByNode,
    namespaces: (object, old, at) => contentsOf("leases.coordination.k8s.io", object, old, at),
  },
  reconcile,
};

export function expireEvent(key: Key, at: Snapshot): Plan {
  const event = at.getKey<Event>(key);
  if (event === undefined) return { actions: [] };
  const seen = Math.max(
    ...[event.series?.lastObservedTime, event.lastTimestamp, event.metadata.creationTimestamp].map(
      (time) => parseTime(time) ?? 0,
    ),
  );
  const homeless = isHomeless(event, at);
  const left = seen + (homeless ? NAMESPACE_GRACE_MS : EVENT_LIFETIME_MS) - at.now;
  if (left > 0) return { actions: [], requeueAfterMs: left };
  return deletion(key, event, homeless ? "its namespace is gone" : "last seen an hour ago");
}

/** What was written just now was seen just now, or not long before. */
function eventRestsUntil({ namespace, time }: Entry, at: View): number | undefined {
  const homeless = at.get(keyOf("namespaces", "", namespace)) === undefined;
  return homeless ? undefined : time + EVENT_LIFETIME_MS;
}

function wokenByNode(object: KubernetesObject | undefined, old: KubernetesObject | undefined) {
  const gone = object === undefined && old !== undefined;
  return gone ? [keyOf("leases.coordination.k8s.io", LEASE_NAMESPACE, old.metadata.name)] : [];
}

export function reconcile(key: Key, at: Snapshot): Plan {
  const lease = at.getKey<Lease>(key);
  if (lease === undefined) return { actions: [] };
  const homeless = isHomeless(lease, at);
  const ofNode = lease.metadata.namespace === LEASE_NAMESPACE;
  if (!ofNode && !homeless) return { actions: [] };
  if (!homeless && at.get("nodes", "", lease.metadata.name) !== undefined) return { actions: [] };
  const renewed = parseTime(lease.spec?.renewTime) ?? parseTime(lease.metadata.creationTimestamp);
  const left = (renewed ?? 0) + (homeless ? NAMESPACE_GRACE_MS : LEASE_GRACE_MS) - at.now;
  if (left > 0) return { actions: [], requeueAfterMs: left };
  return deletion(key, lease, homeless ? "its namespace is gone" : "its node does not exist");
}

function isHomeless(object: KubernetesObject, at: Snapshot): boolean {
  return at.get("namespaces", "", object.metadata.namespace as string) === undefined;
}

/** The end of a namespace wakes what is left of it in the other logs. */
function contentsOf(
  resource: GroupResource,
  object: KubernetesObject | undefined,
  old: KubernetesObject | undefined,
  at: Snapshot,
): readonly Key[] {
  if (object !== undefined || old === undefined) return [];
  const { name: namespace } = old.metadata;
  return at
    .list(resource, namespace)
    .map(({ metadata }) => keyOf(resource, namespace, metadata.name));
}

function deletion(key: Key, object: KubernetesObject, reason: string): Plan {
  const { uid, resourceVersion } = object.metadata;
  return {
    actions: [{ op: "delete", key, uid: uid as string, expect: resourceVersion as string }],
    reason,
  };
}
