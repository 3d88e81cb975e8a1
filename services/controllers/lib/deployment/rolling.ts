/** RollingUpdate: up within maxSurge, then down within maxUnavailable, one of them per pass. */

import type { Snapshot } from "../../../../shared/actor/controller.ts";
import type { Deployment, ReplicaSet } from "../../../../shared/api/generated/types.ts";
import { createNewReplicaSet, newReplicas, type Revisions, sumOf } from "./revision.ts";
import { emptyStep, joined, maxUnavailable, resize, type Step } from "./step.ts";

export function rolling(deployment: Deployment, revisions: Revisions, at: Snapshot): Step {
  const { current } = revisions;
  if (current === undefined) return createNewReplicaSet(deployment, revisions, at);
  const wanted = deployment.spec?.replicas ?? 1;
  const present = current.spec?.replicas ?? 0;
  if (present > wanted) return resize(deployment, current, wanted);
  const grown = newReplicas(deployment, revisions);
  if (present < grown) return resize(deployment, current, grown);
  return scaleDownOld(deployment, revisions, current);
}

/**
 * The pods that may go without availability falling below the minimum: all that is there, less the
 * minimum, less the new pods that are still unavailable (they are expected to become available, and
 * are not to be waited for by removing twice).
 */
function scaleDownOld(deployment: Deployment, revisions: Revisions, current: ReplicaSet): Step {
  const old = revisions.old.filter((rs) => (rs.spec?.replicas ?? 0) > 0);
  if (old.length === 0) return emptyStep();
  const minimum = (deployment.spec?.replicas ?? 1) - maxUnavailable(deployment);
  const total = sumOf(revisions.all, (rs) => rs.spec?.replicas ?? 0);
  const newUnavailable = (current.spec?.replicas ?? 0) - availableOf(current);
  const removable = total - minimum - newUnavailable;
  if (removable <= 0) return emptyStep();
  const sizes = new Map(old.map((rs) => [rs, rs.spec?.replicas ?? 0]));
  removeUnhealthy(old, sizes, removable);
  removeHealthy(revisions.all, old, sizes, minimum);
  const steps = old
    .filter((rs) => sizes.get(rs) !== rs.spec?.replicas)
    .map((rs) => resize(deployment, rs, sizes.get(rs) as number));
  return joined(steps);
}

/** Pods that are not available cost nothing: oldest ReplicaSets first. */
function removeUnhealthy(
  old: readonly ReplicaSet[],
  sizes: Map<ReplicaSet, number>,
  removable: number,
): void {
  let left = removable;
  for (const rs of old) {
    const size = sizes.get(rs) as number;
    const unhealthy = size - availableOf(rs);
    const count = Math.min(left, Math.max(0, unhealthy));
    sizes.set(rs, size - count);
    left -= count;
  }
}

function removeHealthy(
  all: readonly ReplicaSet[],
  old: readonly ReplicaSet[],
  sizes: Map<ReplicaSet, number>,
  minimum: number,
): void {
  const available = sumOf(all, availableOf);
  let left = available - minimum;
  for (const rs of old) {
    if (left <= 0) return;
    const size = sizes.get(rs) as number;
    const count = Math.min(size, left);
    sizes.set(rs, size - count);
    left -= count;
  }
}

/**
 * The status may still count pods that a smaller spec.replicas has already given up; the pods that
 * are not ready go first, so this many stay available.
 */
function availableOf(rs: ReplicaSet): number {
  return Math.min(rs.status?.availableReplicas ?? 0, rs.spec?.replicas ?? 0);
}
