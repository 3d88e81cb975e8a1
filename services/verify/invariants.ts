import type { KubernetesObject } from "../../shared/api/object.ts";
import { parseQuantity } from "../../shared/api/quantity.ts";
import type { Key } from "../../shared/store/store.ts";
import { isActive, isTerminal } from "./pods.ts";
import { type ClusterState, controllerOf, type ObjectChange } from "./state.ts";

/** What must hold after every commit, whatever goes wrong meanwhile. */
export interface Invariant {
  /** As in `cox verify`. */
  readonly name: string;
  /** What is promised, in a sentence. */
  readonly promise: string;
  /** What is wrong with a commit; pure. `state` is the one after it. */
  readonly check: (commit: readonly ObjectChange[], state: ClusterState) => Finding[];
}

export interface Finding {
  readonly message: string;
  /** The written object that it was noticed by. */
  readonly key: Key;
}

type Check = Invariant["check"];

/** Annotations with this prefix mark what a user has done; they must never vanish. */
export const USER_MARK = "verify.coxswain.dev/";

function nameOf({ metadata }: KubernetesObject): string {
  return `${metadata.namespace}/${metadata.name}`;
}

/** The ReplicaSets whose pods the commit has changed in the way asked for, each with a pod. */
function replicaSetsOf(
  commit: readonly ObjectChange[],
  state: ClusterState,
  relevant: (change: ObjectChange) => boolean,
): Map<KubernetesObject, Key> {
  const sets = new Map<KubernetesObject, Key>();
  for (const change of commit) {
    if (change.resource !== "pods" || !relevant(change)) continue;
    const owner = state.owner((change.after ?? change.before) as KubernetesObject);
    if (owner?.kind === "ReplicaSet") sets.set(owner, change.key);
  }
  return sets;
}

function activePods(replicaSet: KubernetesObject, state: ClusterState): KubernetesObject[] {
  return state.ownedBy(replicaSet.metadata.uid as string).filter(isActive);
}

/** A pod is never created beyond what its ReplicaSet asks for at that moment. */
const neverTooManyPods: Check = (commit, state) => {
  const growing = replicaSetsOf(commit, state, ({ before }) => before === undefined);
  return [...growing].flatMap(([replicaSet, key]) => {
    const has = activePods(replicaSet, state).length;
    const asks: number = replicaSet["spec"].replicas;
    const message = `ReplicaSet ${nameOf(replicaSet)} asks for ${asks} pods, has ${has}`;
    return has > asks ? [{ message, key }] : [];
  });
};

/**
 * The ReplicaSet controller never deletes below what is asked for, given the pods that were there
 * when it decided: somebody else may take one away meanwhile.
 */
const neverTooFewPods: Check = (commit, state) => {
  const deletions = commit.filter(({ resource, before, after, headers }) => {
    const was = resource === "pods" && before !== undefined && isActive(before);
    return was && (after === undefined || !isActive(after)) && headers.actor === "replicaset";
  });
  const shrinking = replicaSetsOf(deletions, state, () => true);
  return [...shrinking].flatMap(([replicaSet, key]) => {
    const { uid = "", deletionTimestamp } = replicaSet.metadata;
    if (deletionTimestamp !== undefined) return [];
    const own = deletions.filter(
      ({ before }) => controllerOf(before as KubernetesObject)?.uid === uid,
    );
    const decidedAt = own[0]?.decidedAt;
    if (decidedAt === undefined) return [];
    const left = state.activeAt(uid, decidedAt) - own.length;
    const asks: number = replicaSet["spec"].replicas;
    const message = `ReplicaSet ${nameOf(replicaSet)} asks for ${asks} pods, was cut to ${left}`;
    return left < asks ? [{ message, key }] : [];
  });
};

interface Rollout {
  readonly deployment: KubernetesObject;
  readonly replicas: number;
  readonly maxSurge: number;
  readonly maxUnavailable: number;
}

/** Undefined unless the deployment rolls. */
function rolloutOf(deployment: KubernetesObject | undefined): Rollout | undefined {
  const spec = deployment?.["spec"];
  if (deployment === undefined || spec.strategy?.type === "Recreate") return undefined;
  const replicas: number = spec.replicas ?? 1;
  const { maxSurge, maxUnavailable } = spec.strategy?.rollingUpdate ?? {};
  const surge = resolve(maxSurge ?? "25%", replicas, Math.ceil);
  const unavailable = resolve(maxUnavailable ?? "25%", replicas, Math.floor);
  // Neither may be zero at once: Kubernetes then allows one to be unavailable.
  const atLeast = surge === 0 && unavailable === 0 ? 1 : unavailable;
  return { deployment, replicas, maxSurge: surge, maxUnavailable: atLeast };
}

function resolve(value: number | string, total: number, round: (x: number) => number): number {
  if (typeof value === "number") return value;
  return round((Number.parseInt(value, 10) * total) / 100);
}

function replicaSetsOfDeployment({ deployment }: Rollout, state: ClusterState) {
  return state
    .ownedBy(deployment.metadata.uid as string)
    .filter(({ kind }) => kind === "ReplicaSet");
}

/** The deployment controller never asks for more than replicas and surge together. */
const neverBeyondSurge: Check = (commit, state) =>
  commit.flatMap((change) => {
    const { resource, before, after, headers } = change;
    if (resource !== "replicasets.apps" || after === undefined) return [];
    if (headers.actor !== "deployment") return [];
    if (after["spec"].replicas <= (before?.["spec"].replicas ?? 0)) return [];
    const rollout = rolloutOf(state.owner(after));
    if (rollout === undefined) return [];
    const asked = replicaSetsOfDeployment(rollout, state).reduce(
      (sum, replicaSet) => sum + replicaSet["spec"].replicas,
      0,
    );
    const most = rollout.replicas + rollout.maxSurge;
    const name = nameOf(rollout.deployment);
    const message = `Deployment ${name} may have ${most} pods, asks for ${asked}`;
    return asked > most ? [{ message, key: change.key }] : [];
  });

const DESIRED = "deployment.kubernetes.io/desired-replicas";

/**
 * A rollout never takes away available pods below what it permits: counted are the available pods
 * that the ReplicaSets still ask for, as they were when it was decided: nobody can see a pod become
 * ready or go away while the decision is under way. (A change of scale in the middle is spread over
 * all ReplicaSets, as upstream does, and may.)
 */
const neverTooFewAvailable: Check = (commit, state) =>
  commit.flatMap((change) => {
    const { resource, before, after, headers } = change;
    if (resource !== "replicasets.apps" || before === undefined || after === undefined) return [];
    if (headers.actor !== "deployment") return [];
    if (after["spec"].replicas >= before["spec"].replicas) return [];
    const rollout = rolloutOf(state.owner(after));
    if (rollout === undefined) return [];
    if (before.metadata.annotations?.[DESIRED] !== String(rollout.replicas)) return [];
    const { decidedAt } = change;
    if (decidedAt === undefined) return [];
    let left = 0;
    let had = 0;
    for (const { metadata, spec } of replicaSetsOfDeployment(rollout, state)) {
      const available = state.availableAt(metadata.uid as string, decidedAt);
      const same = metadata.uid === after.metadata.uid;
      left += Math.min(available, spec.replicas);
      had += Math.min(available, same ? before["spec"].replicas : spec.replicas);
    }
    const least = rollout.replicas - rollout.maxUnavailable;
    if (left >= had || left >= least) return [];
    const name = nameOf(rollout.deployment);
    const message = `Deployment ${name} must keep ${least} pods available, keeps ${left} of ${had}`;
    return [{ message, key: change.key }];
  });

/** A pod stays on the node that it was bound to. */
const neverBoundTwice: Check = (commit) =>
  commit.flatMap(({ key, resource, before, after }) => {
    if (resource !== "pods" || before === undefined || after === undefined) return [];
    const from = before["spec"].nodeName;
    const to = after["spec"].nodeName;
    const same = before.metadata.uid === after.metadata.uid;
    if (!from || from === to || !same) return [];
    return [{ message: `Pod ${nameOf(after)} is bound to ${from} and then to ${to}`, key }];
  });

/** No actor binds a pod to a node that has no room for it; a person may. */
const neverToAFullNode: Check = (commit, state) => {
  const nodes = new Map<string, Key>();
  for (const { key, resource, before, after, headers } of commit) {
    if (resource !== "pods" || headers.actor === "user") continue;
    const node = after?.["spec"]?.nodeName;
    if (node && before?.["spec"]?.nodeName !== node) nodes.set(node, key);
  }
  return [...nodes].flatMap(([name, key]) => {
    const node = state.get(`nodes/_/${name}`);
    if (node === undefined) return [];
    const pods = state.onNode(name).filter((pod) => !isTerminal(pod));
    const allocatable: Record<string, string> = node["status"]?.allocatable ?? {};
    const full: string[] = [];
    if (pods.length > Number(allocatable["pods"] ?? 0)) full.push(`${pods.length} pods`);
    for (const resource of ["cpu", "memory"]) {
      const asked = pods.reduce((sum, pod) => sum + requested(pod, resource), 0n);
      if (asked > nanos(allocatable[resource])) full.push(resource);
    }
    const message = `Node ${name} is filled beyond its ${full.join(", ")}`;
    return full.length > 0 ? [{ message, key }] : [];
  });
};

function requested(pod: KubernetesObject, resource: string): bigint {
  const containers: { resources?: { requests?: Record<string, string> } }[] =
    pod["spec"].containers ?? [];
  return containers.reduce(
    (sum, { resources }) => sum + nanos(resources?.requests?.[resource]),
    0n,
  );
}

function nanos(quantity: string | undefined): bigint {
  return quantity === undefined ? 0n : parseQuantity(quantity).nanos;
}

/** What a user was told is done is not undone by somebody who had not seen it. */
const neverLoseWhatAUserWrote: Check = (commit) =>
  commit.flatMap(({ key, before, after }) => {
    if (before === undefined || after === undefined) return [];
    if (before.metadata.uid !== after.metadata.uid) return [];
    const lost = Object.keys(before.metadata.annotations ?? {}).filter(
      (name) => name.startsWith(USER_MARK) && after.metadata.annotations?.[name] === undefined,
    );
    return lost.map((name) => ({ message: `${key} has lost ${name}`, key }));
  });

/** What no write may ever change, whoever writes. */
const identityStays: Check = (commit) =>
  commit.flatMap(({ key, before, after }) => {
    if (before === undefined || after === undefined) return [];
    const old = before.metadata;
    const { uid, creationTimestamp, deletionTimestamp, generation } = after.metadata;
    const wrong: string[] = [];
    if (old.uid !== uid) wrong.push("uid");
    if (old.creationTimestamp !== creationTimestamp) wrong.push("creationTimestamp");
    if (old.deletionTimestamp && !deletionTimestamp) wrong.push("deletionTimestamp");
    if ((old.generation ?? 0) > (generation ?? 0)) wrong.push("generation");
    return wrong.map((field) => ({ message: `${key} has changed its ${field}`, key }));
  });

/** Checked after every commit, with faults and without. */
export const INVARIANTS: readonly Invariant[] = [
  {
    name: "pods-at-most-asked",
    promise: "no pod is created beyond what its ReplicaSet asks for",
    check: neverTooManyPods,
  },
  {
    name: "pods-at-least-asked",
    promise: "no ReplicaSet takes away pods that it was asked for",
    check: neverTooFewPods,
  },
  {
    name: "surge",
    promise: "no rollout asks for more than replicas and maxSurge",
    check: neverBeyondSurge,
  },
  {
    name: "availability",
    promise: "no rollout takes away available pods below replicas less maxUnavailable",
    check: neverTooFewAvailable,
  },
  { name: "bound-once", promise: "a pod stays on its node", check: neverBoundTwice },
  {
    name: "room",
    promise: "no node is given more than it can hold",
    check: neverToAFullNode,
  },
  {
    name: "user-writes-stay",
    promise: "what a user was told is done is not undone unseen",
    check: neverLoseWhatAUserWrote,
  },
  {
    name: "identity",
    promise: "no write changes an object's identity or takes back its deletion",
    check: identityStays,
  },
];

/** Checked at the end: every owner that is named exists, every namespace too. */
export function danglingObjects(state: ClusterState): string[] {
  const uids = new Set<string>();
  const namespaces = new Set<string>();
  const all = state.resources.flatMap((resource) => state.list(resource));
  for (const object of all) {
    if (object.metadata.uid) uids.add(object.metadata.uid);
    if (object.kind === "Namespace") namespaces.add(object.metadata.name);
  }
  return all.flatMap((object) => {
    const { namespace, ownerReferences = [] } = object.metadata;
    const name = `${object.kind} ${nameOf(object)}`;
    const lost = ownerReferences.filter(({ uid }) => !uids.has(uid));
    const messages = lost.map((owner) => `${name}: its owner ${owner.name} does not exist`);
    if (namespace && !namespaces.has(namespace)) messages.push(`${name}: its namespace is gone`);
    return messages;
  });
}
