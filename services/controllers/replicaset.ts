/**
 * ReplicaSet controller: keeps the number of active pods that a ReplicaSet controls equal to
 * spec.replicas. Pods of a deleted ReplicaSet are the garbage collector's work.
 */

import type { Controller, Snapshot } from "../../shared/actor/controller.ts";
import type { Action, EventRecord, Plan } from "../../shared/actor/plan.ts";
import type { Pod, ReplicaSet, ReplicaSetStatus } from "../../shared/api/generated/types.ts";
import { keyOf } from "../../shared/api/key.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { labelSelectorOf } from "../../shared/api/selectors.ts";
import type { Key } from "../../shared/store/store.ts";
import { nameWithSuffix, suffixOf } from "./lib/names.ts";
import { adoptable, controllerOf, controllerReference } from "./lib/owners.ts";
import {
  isActive,
  keyOfFacts,
  msUntilAvailable,
  type PodFacts,
  perLabels,
  podsOf,
} from "./lib/pod-facts.ts";
import { isTerminal, podKey } from "./lib/pods.ts";
import { cheapestFirst } from "./lib/victims.ts";

/**
 * The rest follows in the next plan. The apiserver decides on a plan in one go, and others wait for
 * that; and the sooner the first pods are there, the sooner they are placed and started.
 */
const WRITES_PER_PLAN_MAX = 100;

export const replicaset: Controller = {
  name: "replicaset",
  version: 2,
  primary: "replicasets.apps",
  wakes: { pods: wokenByPod },
  reconcile,
};

/** The pod's controller; for an orphan, every ReplicaSet of its namespace that selects it. */
function wokenByPod(
  object: KubernetesObject | undefined,
  old: KubernetesObject | undefined,
  at: Snapshot,
): readonly Key[] {
  const keys = new Set<Key>();
  for (const pod of [object, old]) {
    if (pod === undefined) continue;
    const controller = controllerOf(pod);
    if (controller?.kind === "ReplicaSet") {
      keys.add(keyOf("replicasets.apps", pod.metadata.namespace, controller.name));
    } else if (controller === undefined && pod.metadata.labels !== undefined) {
      for (const rs of at.list<ReplicaSet>("replicasets.apps", pod.metadata.namespace)) {
        if (!labelSelectorOf(rs.spec?.selector).matchesLabels(pod.metadata.labels)) continue;
        keys.add(keyOf("replicasets.apps", rs.metadata.namespace, rs.metadata.name));
      }
    }
  }
  return [...keys];
}

export function reconcile(key: Key, at: Snapshot): Plan {
  const rs = at.getKey<ReplicaSet>(key);
  if (rs?.spec === undefined) return { actions: [] };
  const claimed = claim(rs, at);
  const pods = claimed.owned.filter(isActive);
  const deleting = rs.metadata.deletionTimestamp !== undefined;
  const surplus = deleting ? 0 : pods.length - (rs.spec.replicas ?? 1);
  const writes: Action[] = deleting ? [] : ownershipChanges(rs, claimed, at);
  const events: EventRecord[] = [];

  // Adoption changes the count: decide about it on the snapshot in which it has happened.
  let remaining: readonly PodFacts[] = pods;
  let created = 0;
  if (writes.length === 0 && surplus < 0) {
    created = Math.min(-surplus, WRITES_PER_PLAN_MAX);
    for (let slot = 0; slot < created; slot++) create(rs, slot, at, writes, events);
  } else if (writes.length === 0 && surplus > 0) {
    const count = Math.min(surplus, WRITES_PER_PLAN_MAX);
    const doomed = new Set(cheapestFirst(pods, siblings(rs, at), at.now, count));
    for (const pod of doomed) remove(rs, pod, at, writes, events);
    remaining = pods.filter((pod) => !doomed.has(pod));
  }
  return withStatus(rs, key, at, { remaining, created, all: claimed.owned, writes, events });
}

interface Claimed {
  /** Controlled by it and selected. */
  readonly owned: readonly PodFacts[];
  /** Selected and controlled by nobody: to be adopted. */
  readonly orphans: readonly Pod[];
  /** Controlled by it but no longer selected: to be released. */
  readonly strangers: readonly PodFacts[];
}

function claim(rs: ReplicaSet, at: Snapshot): Claimed {
  const selector = labelSelectorOf(rs.spec?.selector);
  const selects = perLabels((labels) => selector.matchesLabels(labels));
  const owned: PodFacts[] = [];
  const strangers: PodFacts[] = [];
  for (const pod of podsOf(rs, at)) {
    if (pod.controller !== rs.metadata.uid) continue;
    (selects(pod.labels) ? owned : strangers).push(pod);
  }
  const namespace = rs.metadata.namespace as string;
  const uncontrolled = at.uncontrolled<Pod>("pods", namespace, rs.spec?.selector.matchLabels ?? {});
  return { owned, orphans: adoptable(uncontrolled, selects), strangers };
}

function ownershipChanges(
  rs: ReplicaSet,
  claimed: Pick<Claimed, "orphans" | "strangers">,
  at: Snapshot,
): Action[] {
  const orphans = claimed.orphans.filter((pod) => !isTerminal(pod)).slice(0, WRITES_PER_PLAN_MAX);
  const adopt = orphans.map((pod): Action => {
    const ownerReferences = [...(pod.metadata.ownerReferences ?? []), controllerReference(rs)];
    return patchOwners(pod, ownerReferences);
  });
  const room = WRITES_PER_PLAN_MAX - adopt.length;
  const release = claimed.strangers.slice(0, room).map((facts): Action => {
    const pod = at.getKey<Pod>(keyOfFacts(facts)) as Pod;
    const others = pod.metadata.ownerReferences?.filter((owner) => owner.uid !== rs.metadata.uid);
    return patchOwners(pod, others?.length ? others : null);
  });
  return [...adopt, ...release];
}

function patchOwners(pod: Pod, ownerReferences: unknown): Action {
  return {
    op: "patch",
    key: podKey(pod),
    expect: pod.metadata.resourceVersion as string,
    patch: { metadata: { uid: pod.metadata.uid, ownerReferences } },
  };
}

/**
 * The name follows from the ReplicaSet's revision: at most one plan is committed on a revision (its
 * status, last in the plan, carries it), so names are fresh, and equal where a plan is made twice.
 */
function create(
  rs: ReplicaSet,
  slot: number,
  at: Snapshot,
  writes: Action[],
  events: EventRecord[],
): void {
  const { namespace, uid, resourceVersion, name: base } = rs.metadata;
  let name = "";
  for (let attempt = 0; ; attempt++) {
    const suffix = suffixOf(uid as string, resourceVersion as string, slot, attempt);
    name = nameWithSuffix(base, suffix);
    const key = keyOf("pods", namespace, name);
    if (at.getKey(key) === undefined && !writes.some((write) => write.key === key)) break;
  }
  const template = rs.spec?.template;
  const { labels, annotations, finalizers } = template?.metadata ?? {};
  writes.push({
    op: "create",
    key: keyOf("pods", namespace, name),
    object: {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name,
        generateName: `${base}-`,
        namespace: namespace as string,
        ...(labels && { labels }),
        ...(annotations && { annotations }),
        ...(finalizers && { finalizers }),
        ownerReferences: [controllerReference(rs)],
      },
      spec: template?.spec,
    },
  });
  events.push(event(rs, "SuccessfulCreate", `Created pod: ${name}`));
}

function remove(
  rs: ReplicaSet,
  facts: PodFacts,
  at: Snapshot,
  writes: Action[],
  events: EventRecord[],
): void {
  const key = keyOfFacts(facts);
  const { resourceVersion } = (at.getKey<Pod>(key) as Pod).metadata;
  writes.push({ op: "delete", key, uid: facts.uid, expect: resourceVersion as string });
  events.push(event(rs, "SuccessfulDelete", `Deleted pod: ${facts.name}`));
}

function event(rs: ReplicaSet, reason: string, message: string): EventRecord {
  const { namespace, name, uid } = rs.metadata;
  const regarding = {
    resource: "replicasets.apps",
    namespace: namespace as string,
    name,
    uid: uid as string,
  };
  return { regarding, type: "Normal", reason, message };
}

/** Active pods of all ReplicaSets of the same Deployment: spread is judged over them together. */
function siblings(rs: ReplicaSet, at: Snapshot): readonly PodFacts[] {
  const owner = controllerOf(rs);
  if (owner === undefined) return podsOf(rs, at);
  return at
    .ownedBy<ReplicaSet>("replicasets.apps", owner.uid)
    .flatMap((sibling) => podsOf(sibling, at).filter(isActive));
}

interface Outcome {
  readonly remaining: readonly PodFacts[];
  readonly created: number;
  readonly all: readonly PodFacts[];
  readonly writes: Action[];
  readonly events: EventRecord[];
}

/** The claim: the status as it is once the writes are in, guarded by the revision decided on. */
function withStatus(rs: ReplicaSet, key: Key, at: Snapshot, outcome: Outcome): Plan {
  const { remaining, created, all, writes, events } = outcome;
  const { fullyLabeled, ready, available, msUntilMore } = countsOf(rs, remaining, at.now);
  const deletedNow = writes.filter((write) => write.op === "delete").length;
  const terminating = all.filter((pod) => pod.terminating).length;
  const status: ReplicaSetStatus = {
    replicas: remaining.length + created,
    fullyLabeledReplicas: fullyLabeled + created,
    readyReplicas: ready,
    availableReplicas: available,
    terminatingReplicas: terminating + deletedNow,
    observedGeneration: rs.metadata.generation ?? 0,
  };
  const requeue = Number.isFinite(msUntilMore) ? { requeueAfterMs: msUntilMore } : {};
  if (writes.length === 0 && sameStatus(rs.status, status)) return { actions: [], ...requeue };
  const last: Action = {
    op: "update",
    key,
    subresource: "status",
    expect: rs.metadata.resourceVersion as string,
    claim: true,
    object: { ...rs, status: { ...withoutCounts(rs.status), ...withoutZeros(status) } },
  };
  const reason = describe(writes, status);
  return { actions: [...writes, last], events, reason, ...requeue };
}

interface Counts {
  fullyLabeled: number;
  ready: number;
  available: number;
  /** Until the next pod becomes available by the passing of time alone; infinite: none will. */
  msUntilMore: number;
}

/** In one go: a ReplicaSet may have thousands of pods. */
function countsOf(rs: ReplicaSet, pods: readonly PodFacts[], now: number): Counts {
  const minReadySeconds = rs.spec?.minReadySeconds ?? 0;
  const wanted = Object.entries(rs.spec?.template?.metadata?.labels ?? {});
  const isFull = perLabels((labels) => wanted.every(([name, value]) => labels[name] === value));
  const counts = {
    fullyLabeled: 0,
    ready: 0,
    available: 0,
    msUntilMore: Number.POSITIVE_INFINITY,
  };
  for (const pod of pods) {
    if (isFull(pod.labels)) counts.fullyLabeled++;
    if (!pod.ready) continue;
    counts.ready++;
    const wait = msUntilAvailable(pod, minReadySeconds, now);
    if (wait === 0) counts.available++;
    else if (wait !== undefined) counts.msUntilMore = Math.min(counts.msUntilMore, wait);
  }
  return counts;
}

const COUNTS = [
  "replicas",
  "fullyLabeledReplicas",
  "readyReplicas",
  "availableReplicas",
  "terminatingReplicas",
  "observedGeneration",
] as const;

function sameStatus(old: ReplicaSetStatus | undefined, next: ReplicaSetStatus): boolean {
  return old !== undefined && COUNTS.every((count) => (old[count] ?? 0) === (next[count] ?? 0));
}

function withoutCounts(status: ReplicaSetStatus | undefined): Partial<ReplicaSetStatus> {
  return status?.conditions ? { conditions: status.conditions } : {};
}

/** Upstream leaves out counts of zero, except `replicas`. */
function withoutZeros(status: ReplicaSetStatus): Partial<ReplicaSetStatus> {
  const entries = Object.entries(status).filter(([field, n]) => n !== 0 || field === "replicas");
  return Object.fromEntries(entries);
}

function describe(writes: readonly Action[], status: ReplicaSetStatus): string {
  const pods = (op: Action["op"]) => {
    const count = writes.filter((write) => write.op === op).length;
    return count === 0 ? undefined : `${count} ${count === 1 ? "pod" : "pods"}`;
  };
  if (pods("create")) return `${pods("create")} missing`;
  if (pods("delete")) return `${pods("delete")} too many`;
  if (pods("patch")) return `${pods("patch")} adopted or released`;
  return `status: ${status.readyReplicas} of ${status.replicas} ready`;
}
