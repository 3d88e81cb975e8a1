import type { KubernetesObject } from "../../shared/api/object.ts";
import { parseQuantity } from "../../shared/api/quantity.ts";
import { type ClusterState, controllerOf, type Invariant, type ObjectChange } from "./observer.ts";
import { isActive, isTerminal } from "./pods.ts";

/** Annotations with this prefix mark what the simulated user has done; they must never vanish. */
export const USER_MARK = "sim.coxswain.dev/";

function nameOf({ metadata }: KubernetesObject): string {
  return `${metadata.namespace}/${metadata.name}`;
}

/** The ReplicaSets whose pods the commit has changed in the way asked for. */
function replicaSetsOf(
  commit: readonly ObjectChange[],
  state: ClusterState,
  relevant: (change: ObjectChange) => boolean,
): Set<KubernetesObject> {
  const sets = new Set<KubernetesObject>();
  for (const change of commit) {
    if (change.resource !== "pods" || !relevant(change)) continue;
    const owner = state.owner((change.after ?? change.before) as KubernetesObject);
    if (owner?.kind === "ReplicaSet") sets.add(owner);
  }
  return sets;
}

function activePods(replicaSet: KubernetesObject, state: ClusterState): KubernetesObject[] {
  return state.ownedBy(replicaSet.metadata.uid as string).filter(isActive);
}

/** A pod is never created beyond what its ReplicaSet asks for at that moment. */
const neverTooManyPods: Invariant = (commit, state) => {
  const growing = replicaSetsOf(commit, state, ({ before }) => before === undefined);
  return [...growing].flatMap((replicaSet) => {
    const has = activePods(replicaSet, state).length;
    const asks: number = replicaSet["spec"].replicas;
    return has > asks ? [`ReplicaSet ${nameOf(replicaSet)} asks for ${asks} pods, has ${has}`] : [];
  });
};

/**
 * The ReplicaSet controller never deletes below what is asked for, given the pods that were there
 * when it decided: somebody else may take one away meanwhile.
 */
const neverTooFewPods: Invariant = (commit, state) => {
  const deletions = commit.filter(({ resource, before, after, headers }) => {
    const was = resource === "pods" && before !== undefined && isActive(before);
    return was && (after === undefined || !isActive(after)) && headers.actor === "replicaset";
  });
  const shrinking = replicaSetsOf(deletions, state, () => true);
  return [...shrinking].flatMap((replicaSet) => {
    const { uid = "", deletionTimestamp } = replicaSet.metadata;
    if (deletionTimestamp !== undefined) return [];
    const own = deletions.filter(
      ({ before }) => controllerOf(before as KubernetesObject)?.uid === uid,
    );
    const [first] = own;
    const decidedAt = first?.decidedAt ?? (first?.revision ?? 0) - 1;
    const left = state.activeAt(uid, decidedAt) - own.length;
    const asks: number = replicaSet["spec"].replicas;
    return left < asks
      ? [`ReplicaSet ${nameOf(replicaSet)} asks for ${asks} pods, was cut to ${left}`]
      : [];
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
const neverBeyondSurge: Invariant = (commit, state) =>
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
    return asked > most ? [`Deployment ${name} may have ${most} pods, asks for ${asked}`] : [];
  });

const DESIRED = "deployment.kubernetes.io/desired-replicas";

/**
 * A rollout never takes away available pods below what it permits: counted are the available pods
 * that the ReplicaSets still ask for, as they were when it was decided: nobody can see a pod become
 * ready or go away while the decision is under way. (A change of scale in the middle is spread over
 * all ReplicaSets, as upstream does, and may.)
 */
const neverTooFewAvailable: Invariant = (commit, state) =>
  commit.flatMap((change) => {
    const { resource, before, after, headers } = change;
    if (resource !== "replicasets.apps" || before === undefined || after === undefined) return [];
    if (headers.actor !== "deployment") return [];
    if (after["spec"].replicas >= before["spec"].replicas) return [];
    const rollout = rolloutOf(state.owner(after));
    if (rollout === undefined) return [];
    if (before.metadata.annotations?.[DESIRED] !== String(rollout.replicas)) return [];
    const decidedAt = change.decidedAt ?? change.revision;
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
    return [`Deployment ${name} must keep ${least} pods available, keeps ${left} of ${had}`];
  });

/** A pod stays on the node that it was bound to. */
const neverBoundTwice: Invariant = (commit) =>
  commit.flatMap(({ resource, before, after }) => {
    if (resource !== "pods" || before === undefined || after === undefined) return [];
    const from = before["spec"].nodeName;
    const to = after["spec"].nodeName;
    const same = before.metadata.uid === after.metadata.uid;
    if (!from || from === to || !same) return [];
    return [`Pod ${nameOf(after)} is bound to ${from} and then to ${to}`];
  });

/** A pod is only bound to a node that has room for it. */
const neverToAFullNode: Invariant = (commit, state) => {
  const nodes = new Set<string>();
  for (const { resource, before, after } of commit) {
    const node = after?.["spec"]?.nodeName;
    if (resource === "pods" && node && before?.["spec"]?.nodeName !== node) nodes.add(node);
  }
  return [...nodes].flatMap((name) => {
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
    return full.length > 0 ? [`Node ${name} is filled beyond its ${full.join(", ")}`] : [];
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
const neverLoseWhatAUserWrote: Invariant = (commit) =>
  commit.flatMap(({ key, before, after }) => {
    if (before === undefined || after === undefined) return [];
    if (before.metadata.uid !== after.metadata.uid) return [];
    const lost = Object.keys(before.metadata.annotations ?? {}).filter(
      (name) => name.startsWith(USER_MARK) && after.metadata.annotations?.[name] === undefined,
    );
    return lost.map((name) => `${key} has lost ${name}`);
  });

/** What no write may ever change, whoever writes. */
const identityStays: Invariant = (commit) =>
  commit.flatMap(({ key, before, after }) => {
    if (before === undefined || after === undefined) return [];
    const old = before.metadata;
    const { uid, creationTimestamp, deletionTimestamp, generation } = after.metadata;
    const wrong: string[] = [];
    if (old.uid !== uid) wrong.push("uid");
    if (old.creationTimestamp !== creationTimestamp) wrong.push("creationTimestamp");
    if (old.deletionTimestamp && !deletionTimestamp) wrong.push("deletionTimestamp");
    if ((old.generation ?? 0) > (generation ?? 0)) wrong.push("generation");
    return wrong.map((field) => `${key} has changed its ${field}`);
  });

/** Checked after every commit, with faults and without. */
export const INVARIANTS: readonly Invariant[] = [
  neverTooManyPods,
  neverTooFewPods,
  neverBeyondSurge,
  neverTooFewAvailable,
  neverBoundTwice,
  neverToAFullNode,
  neverLoseWhatAUserWrote,
  identityStays,
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
