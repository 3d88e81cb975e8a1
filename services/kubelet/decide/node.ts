import type { Action, Plan } from "../../../shared/actor/plan.ts";
import type { Node, NodeCondition, NodeStatus } from "../../../shared/api/generated/types.ts";
import { keyOf } from "../../../shared/api/key.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import { sameJson } from "../../../shared/api/same.ts";
import { timestamp } from "./conditions.ts";

/** What a kubelet knows about its node; the Node object follows from it. */
export interface NodeDescription {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints?: readonly { key: string; value?: string; effect: string }[];
  readonly podCIDRs?: readonly string[];
  readonly addresses: readonly { type: string; address: string }[];
  readonly capacity: Readonly<Record<string, string>>;
  readonly allocatable: Readonly<Record<string, string>>;
  readonly nodeInfo: NonNullable<NodeStatus["nodeInfo"]>;
  readonly images?: readonly { names: string[]; sizeBytes: number }[];
  /** Why the node cannot run pods; empty when it can. */
  readonly problems: readonly string[];
}

/**
 * What must be written so that the Node object says what the description says; nothing when it
 * does. Heartbeats do not go through here: `lastHeartbeatTime` moves only with other changes.
 */
export function reconcileNode(
  description: NodeDescription,
  existing: Node | undefined,
  now: number,
): readonly Action[] {
  const key = keyOf("nodes", undefined, description.name);
  if (!existing) return [{ op: "create", key, object: newNode(description, now) }];
  const actions: Action[] = [];
  const { resourceVersion } = existing.metadata;
  const guard = resourceVersion ? { expect: resourceVersion } : {};
  const missing = Object.entries(description.labels).filter(
    ([name, value]) => existing.metadata.labels?.[name] !== value,
  );
  const cidrs = description.podCIDRs ?? [];
  const spec =
    cidrs.length > 0 && !existing.spec?.podCIDR
      ? { podCIDR: cidrs[0], podCIDRs: [...cidrs] }
      : undefined;
  if (missing.length > 0 || spec) {
    const metadata = { labels: Object.fromEntries(missing) };
    actions.push({ op: "patch", key, patch: { metadata, ...(spec ? { spec } : {}) }, ...guard });
  }
  const before = existing.status ?? {};
  const status = nodeStatus(description, before, now);
  if (!sameStatus(before, status)) {
    actions.push({ op: "patch", key, patch: { status }, subresource: "status", ...guard });
  }
  return actions;
}

/** What of it is written first: the next action is decided on what comes of this one. */
export function firstOf(actions: readonly Action[]): Plan {
  return { actions: actions.slice(0, 1) };
}

function newNode(description: NodeDescription, now: number): KubernetesObject {
  const cidrs = description.podCIDRs ?? [];
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name: description.name,
      labels: { ...description.labels },
      annotations: { "volumes.kubernetes.io/controller-managed-attach-detach": "true" },
    },
    spec: {
      ...(cidrs.length > 0 ? { podCIDR: cidrs[0], podCIDRs: [...cidrs] } : {}),
      ...(description.taints?.length
        ? { taints: description.taints.map((taint) => ({ ...taint })) }
        : {}),
    },
    status: nodeStatus(description, {}, now),
  };
}

function nodeStatus(description: NodeDescription, before: NodeStatus, now: number): NodeStatus {
  return {
    capacity: { ...description.capacity },
    allocatable: { ...description.allocatable },
    conditions: nodeConditions(description, before.conditions ?? [], now),
    addresses: description.addresses.map((address) => ({ ...address })),
    nodeInfo: description.nodeInfo,
    ...(description.images ? { images: description.images.map((image) => ({ ...image })) } : {}),
  };
}

function nodeConditions(
  description: NodeDescription,
  before: readonly NodeCondition[],
  now: number,
): NodeCondition[] {
  const ready = description.problems.length === 0;
  const states = [
    [
      "MemoryPressure",
      "False",
      "KubeletHasSufficientMemory",
      "kubelet has sufficient memory available",
    ],
    ["DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
    ["PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"],
    ready
      ? ["Ready", "True", "KubeletReady", "kubelet is posting ready status"]
      : ["Ready", "False", "KubeletNotReady", description.problems.join(", ")],
  ] as const;
  const own = new Set<string>(states.map(([type]) => type));
  const foreign = before.filter((condition) => !own.has(condition.type));
  const time = timestamp(now);
  return [
    ...foreign,
    ...states.map(([type, status, reason, message]) => {
      const old = before.find((condition) => condition.type === type);
      const since = old?.status === status ? (old.lastTransitionTime ?? time) : time;
      return { type, status, lastHeartbeatTime: time, lastTransitionTime: since, reason, message };
    }),
  ];
}

/** Equal but for the heartbeat times. */
function sameStatus(before: NodeStatus, after: NodeStatus): boolean {
  const kept = { ...before, ...after, conditions: withoutBeats(after.conditions) };
  return sameJson({ ...before, conditions: withoutBeats(before.conditions) }, kept);
}

function withoutBeats(conditions: readonly NodeCondition[] | undefined): NodeCondition[] {
  return (conditions ?? []).map(({ lastHeartbeatTime: _, ...rest }) => rest);
}
