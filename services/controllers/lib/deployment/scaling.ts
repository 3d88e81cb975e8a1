/** A change of spec.replicas during a rollout is spread over the ReplicaSets in proportion. */
import type { Deployment, ReplicaSet } from "../../../../shared/api/generated/types.ts";
import { type Revisions, sumOf } from "./revision.ts";
import {
  DESIRED_REPLICAS,
  emptyStep,
  joined,
  MAX_REPLICAS,
  maxSurge,
  resize,
  type Step,
} from "./step.ts";

/** True when the size asked for has changed since the ReplicaSets were last sized. */
export function needsScaling(deployment: Deployment, revisions: Revisions): boolean {
  const wanted = String(deployment.spec?.replicas ?? 1);
  return revisions.all.some((rs) => {
    const desired = rs.metadata.annotations?.[DESIRED_REPLICAS];
    return (rs.spec?.replicas ?? 0) > 0 && desired !== undefined && desired !== wanted;
  });
}

export function scaleProportionally(deployment: Deployment, revisions: Revisions): Step {
  const wanted = deployment.spec?.replicas ?? 1;
  const active = revisions.all.filter((rs) => (rs.spec?.replicas ?? 0) > 0);
  const only =
    active.length <= 1 ? (active[0] ?? revisions.current ?? revisions.all.at(-1)) : undefined;
  if (only !== undefined) {
    const desired = only.metadata.annotations?.[DESIRED_REPLICAS];
    const sized = only.spec?.replicas === wanted && (wanted === 0 || desired === String(wanted));
    return sized ? emptyStep() : resize(deployment, only, wanted);
  }
  const { current } = revisions;
  if (current !== undefined && isSaturated(current, wanted)) {
    return joined(
      revisions.old
        .filter((rs) => (rs.spec?.replicas ?? 0) > 0)
        .map((rs) => resize(deployment, rs, 0)),
    );
  }
  if (deployment.spec?.strategy?.type === "Recreate" || active.length === 0) return emptyStep();
  return spread(deployment, active, wanted);
}

/** The new ReplicaSet has reached the size asked for, all of it available. */
function isSaturated(rs: ReplicaSet, wanted: number): boolean {
  return (
    rs.spec?.replicas === wanted &&
    rs.metadata.annotations?.[DESIRED_REPLICAS] === String(wanted) &&
    (rs.status?.availableReplicas ?? 0) === wanted
  );
}

/** Biggest first when growing as when shrinking; the first takes what rounding has left over. */
function spread(deployment: Deployment, active: readonly ReplicaSet[], wanted: number): Step {
  const total = sumOf(active, (rs) => rs.spec?.replicas ?? 0);
  const allowed = wanted > 0 ? wanted + maxSurge(deployment) : 0;
  const toAdd = allowed - total;
  const sorted = active.toSorted(
    (a, b) =>
      (b.spec?.replicas ?? 0) - (a.spec?.replicas ?? 0) || (toAdd > 0 ? -1 : 1) * compareAge(a, b),
  );
  let added = 0;
  const sizes = sorted.map((rs) => {
    const size = rs.spec?.replicas ?? 0;
    const part = toAdd === 0 ? 0 : proportion(rs, allowed, toAdd, added);
    added += part;
    return size + part;
  });
  sizes[0] = Math.max(0, (sizes[0] as number) + toAdd - added);
  return joined(sorted.map((rs, index) => resize(deployment, rs, sizes[index] as number)));
}

function proportion(rs: ReplicaSet, allowed: number, toAdd: number, added: number): number {
  const size = rs.spec?.replicas ?? 0;
  const before = Number(rs.metadata.annotations?.[MAX_REPLICAS] ?? 0) || size;
  const share = Math.round((size * allowed) / before) - size;
  const left = toAdd - added;
  return toAdd > 0 ? Math.min(share, left) : Math.max(share, left);
}

function compareAge(a: ReplicaSet, b: ReplicaSet): number {
  const left = a.metadata.creationTimestamp ?? "";
  const right = b.metadata.creationTimestamp ?? "";
  return left < right ? -1 : left > right ? 1 : 0;
}
