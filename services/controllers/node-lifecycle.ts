/**
 * Node lifecycle controller: a node whose agent has fallen silent becomes Unknown, and taints
 * follow the node's conditions. What the taints do to its pods is the taint eviction controller's
 * work.
 */

import type { Controller, Snapshot } from "../../shared/actor/controller.ts";
import type { Action, EventRecord, Plan } from "../../shared/actor/plan.ts";
import type { Lease, Node, NodeCondition, Pod, Taint } from "../../shared/api/generated/types.ts";
import { keyOf } from "../../shared/api/key.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { sameJson } from "../../shared/api/same.ts";
import { formatTime, parseTime } from "../../shared/api/time.ts";
import type { Key } from "../../shared/store/store.ts";
import { conditionOf, isTerminal, podKey } from "./lib/pods.ts";

/** As kube-controller-manager's --node-monitor-grace-period. */
const GRACE_MS = 50_000;
const LEASE_NAMESPACE = "kube-node-lease";
const WRITES_PER_PLAN_MAX = 500;
const NOT_READY = "node.kubernetes.io/not-ready";
const UNREACHABLE = "node.kubernetes.io/unreachable";

/** Taints with effect NoSchedule by condition and the status that calls for them. */
const CONDITION_TAINTS: readonly (readonly [type: string, status: string, key: string])[] = [
  ["Ready", "False", NOT_READY],
  ["Ready", "Unknown", UNREACHABLE],
  ["MemoryPressure", "True", "node.kubernetes.io/memory-pressure"],
  ["DiskPressure", "True", "node.kubernetes.io/disk-pressure"],
  ["NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"],
  ["PIDPressure", "True", "node.kubernetes.io/pid-pressure"],
];
const UNSCHEDULABLE = "node.kubernetes.io/unschedulable";
const OURS = new Set([...CONDITION_TAINTS.map(([, , key]) => key), UNSCHEDULABLE]);

export const nodeLifecycle: Controller = {
  name: "node-lifecycle",
  version: 1,
  primary: "nodes",
  wakes: { "leases.coordination.k8s.io": wokenByLease },
  reconcile,
};

/**
 * A renewal in time changes nothing: the pass that comes when the grace period is over looks at the
 * lease as it is then. Only one after a silence says something new.
 */
function wokenByLease(
  object: KubernetesObject | undefined,
  old: KubernetesObject | undefined,
): readonly Key[] {
  const { namespace, name } = ((object ?? old) as KubernetesObject).metadata;
  if (namespace !== LEASE_NAMESPACE) return [];
  const [before, after] = [old, object].map((lease) =>
    parseTime((lease as Lease | undefined)?.spec?.renewTime),
  );
  const inTime = before !== undefined && after !== undefined && after - before < GRACE_MS;
  return inTime && after >= before ? [] : [keyOf("nodes", "", name)];
}

export function reconcile(key: Key, at: Snapshot): Plan {
  const node = at.getKey<Node>(key);
  if (node === undefined) return { actions: [] };
  const silentFor = at.now - lastHeard(node, at);
  const silent = silentFor >= GRACE_MS;
  const conditions = silent ? unknownConditions(node, at.now) : (node.status?.conditions ?? []);
  const taints = taintsOf(node, conditions, at.now);
  const expect = node.metadata.resourceVersion as string;
  const actions: Action[] = [];
  const ready = conditions.find(({ type }) => type === "Ready")?.status;
  if (ready !== "True") actions.push(...unreadyPods(node, at));
  if (!sameJson(node.spec?.taints ?? [], taints)) {
    const patch = { spec: { taints: taints.length > 0 ? taints : null } };
    actions.push({ op: "patch", key, expect, patch });
  }
  if (silent && changed(node, conditions)) {
    const object = { ...node, status: { ...node.status, conditions } };
    actions.push({ op: "update", key, subresource: "status", expect, object });
  }
  const events: EventRecord[] = actions.some(({ op }) => op === "update") ? [notReady(node)] : [];
  const requeueAfterMs = silent ? GRACE_MS : Math.max(1000, GRACE_MS - silentFor);
  const reason = silent ? `not heard from for ${Math.round(silentFor / 1000)} s` : "conditions";
  return { actions, events, reason, requeueAfterMs };
}

/** The latest of what the agent's lease, its status and the node's creation say. */
function lastHeard(node: Node, at: Snapshot): number {
  const lease = at.get<Lease>("leases.coordination.k8s.io", LEASE_NAMESPACE, node.metadata.name);
  const ready = node.status?.conditions?.find(({ type }) => type === "Ready");
  const times = [
    parseTime(lease?.spec?.renewTime),
    // A status written by this controller is no sign of life.
    ready?.status === "Unknown" ? undefined : parseTime(ready?.lastHeartbeatTime),
    parseTime(node.metadata.creationTimestamp),
  ];
  return Math.max(...times.map((time) => time ?? 0));
}

const MONITORED = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

function unknownConditions(node: Node, now: number): NodeCondition[] {
  const present = node.status?.conditions ?? [];
  const others = present.filter(({ type }) => !MONITORED.includes(type));
  const unknown = MONITORED.map((type): NodeCondition => {
    const old = present.find((condition) => condition.type === type);
    if (old?.status === "Unknown") return old;
    const never = old === undefined;
    return {
      type,
      status: "Unknown",
      reason: never ? "NodeStatusNeverUpdated" : "NodeStatusUnknown",
      message: never ? "Kubelet never posted node status." : "Kubelet stopped posting node status.",
      lastHeartbeatTime: old?.lastHeartbeatTime ?? (node.metadata.creationTimestamp as string),
      lastTransitionTime: formatTime(now),
    };
  });
  return [...others, ...unknown];
}

function changed(node: Node, conditions: readonly NodeCondition[]): boolean {
  return !sameJson(node.status?.conditions ?? [], conditions);
}

/** Others' taints stay as they are; ours follow the conditions, with NoExecute for Ready. */
function taintsOf(node: Node, conditions: readonly NodeCondition[], now: number): Taint[] {
  const present = node.spec?.taints ?? [];
  const wanted: Taint[] = [];
  const add = (key: string, effect: string) => {
    const old = present.find((taint) => taint.key === key && taint.effect === effect);
    wanted.push(old ?? { key, effect, timeAdded: formatTime(now) });
  };
  if (node.spec?.unschedulable) add(UNSCHEDULABLE, "NoSchedule");
  for (const [type, status, key] of CONDITION_TAINTS) {
    const condition = conditions.find((candidate) => candidate.type === type);
    const applies =
      condition?.status === status || (type === "Ready" && !condition && status === "False");
    if (!applies) continue;
    add(key, "NoSchedule");
    if (type === "Ready" && condition !== undefined) add(key, "NoExecute");
  }
  return [...present.filter((taint) => !OURS.has(taint.key)), ...wanted];
}

/** Pods of a node that is not ready are not ready either, so that Services pass them by. */
function unreadyPods(node: Node, at: Snapshot): Action[] {
  const affected = at
    .onNode<Pod>(node.metadata.name)
    .filter((pod) => !isTerminal(pod) && conditionOf(pod, "Ready")?.status === "True");
  return affected.slice(0, WRITES_PER_PLAN_MAX).map((pod): Action => {
    const conditions = pod.status?.conditions?.map((condition) =>
      condition.type === "Ready"
        ? {
            ...condition,
            status: "False",
            reason: "NodeNotReady",
            lastTransitionTime: formatTime(at.now),
          }
        : condition,
    );
    return {
      op: "patch",
      key: podKey(pod),
      subresource: "status",
      expect: pod.metadata.resourceVersion as string,
      patch: { status: { conditions } },
    };
  });
}

function notReady(node: Node): EventRecord {
  const { name, uid } = node.metadata;
  return {
    regarding: { resource: "nodes", namespace: "", name, uid: uid as string },
    type: "Normal",
    reason: "NodeNotReady",
    message: `Node ${name} status is now: NodeNotReady`,
  };
}
