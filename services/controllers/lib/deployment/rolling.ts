/** RollingUpdate: up within maxSurge, then down within maxUnavailable, one of them per pass. */

import type { Snapshot } from "../../../../shared/actor/controller.ts";
import type { Deployment, ReplicaSet } from "../../../../shared/api/generated/types.ts";
import { isActive, msUntilAvailable, podsOf } from "../pod-facts.ts";
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
  return scaleDownOld(deployment, revisions, at);
}

/**
 * The pods that may go without availability falling below the minimum: all that is there, less the
 * minimum, less the new pods that are still unavailable (they are expected to become available, and
 * are not to be waited for by removing twice).
 */
function scaleDownOld(deployment: Deployment, revisions: Revisions, at: Snapshot): Step {
  const old = revisions.old.filter((rs) => (rs.spec?.replicas ?? 0) > 0);
  if (old.length === 0) return emptyStep();
  const minimum = (deployment.spec?.replicas ?? 1) - maxUnavailable(deployment);
  const total = sumOf(revisions.all, (rs) => rs.spec?.replicas ?? 0);
  const available = availabilityAt(revisions.all, at);
  const current = revisions.current as ReplicaSet;
  const newUnavailable = (current.spec?.replicas ?? 0) - (available.get(current) ?? 0);
  const removable = total - minimum - newUnavailable;
  if (removable <= 0) return emptyStep();
  const sizes = new Map(old.map((rs) => [rs, rs.spec?.replicas ?? 0]));
  removeUnhealthy(old, sizes, available, removable);
  removeHealthy(old, sizes, available, minimum);
  const steps = old
    .filter((rs) => sizes.get(rs) !== rs.spec?.replicas)
    .map((rs) => resize(deployment, rs, sizes.get(rs) as number));
  return joined(steps);
}

/** Pods that are not available cost nothing: oldest ReplicaSets first. */
function removeUnhealthy(
  old: readonly ReplicaSet[],
  sizes: Map<ReplicaSet, number>,
  available: ReadonlyMap<ReplicaSet, number>,
  removable: number,
): void {
  let left = removable;
  for (const rs of old) {
    const size = sizes.get(rs) as number;
    const unhealthy = size - (available.get(rs) ?? 0);
    const count = Math.min(left, Math.max(0, unhealthy));
    sizes.set(rs, size - count);
    left -= count;
  }
}

function removeHealthy(
  old: readonly ReplicaSet[],
  sizes: Map<ReplicaSet, number>,
  available: ReadonlyMap<ReplicaSet, number>,
  minimum: number,
): void {
  let left = [...available.values()].reduce((sum, pods) => sum + pods, 0) - minimum;
  for (const rs of old) {
    if (left <= 0) return;
    const size = sizes.get(rs) as number;
    const count = Math.min(size, left);
    sizes.set(rs, size - count);
    left -= count;
  }
}

/**
 * Available pods by ReplicaSet, counted from the pods themselves: the status lags behind them, and
 * on it pods that have just become ready would be given up as unhealthy. A smaller spec.replicas
 * has given up pods that are still there; those that are not ready go first, so this many stay.
 */
function availabilityAt(all: readonly ReplicaSet[], at: Snapshot): ReadonlyMap<ReplicaSet, number> {
  return new Map(
    all.map((rs) => {
      const seconds = rs.spec?.minReadySeconds ?? 0;
      let available = 0;
      for (const pod of podsOf(rs, at)) {
        if (isActive(pod) && msUntilAvailable(pod, seconds, at.now) === 0) available++;
      }
      return [rs, Math.min(available, rs.spec?.replicas ?? 0)] as const;
    }),
  );
}
