/** A kubelet's decision made again from its record. */
import type { Effect, Plan } from "../../shared/actor/plan.ts";
import type { Pod } from "../../shared/api/generated/types.ts";
import { reconcilePod } from "./decide/pod.ts";
import { effectKey, type PodEffect, type PodSnapshot } from "./decide/types.ts";

/** What a decision was made on beside the pod and the time; as JSON in its record. */
export type SeenByKubelet = Omit<PodSnapshot, "pod" | "now" | "refused" | "underWay"> & {
  readonly refused: readonly string[];
  readonly underWay: readonly string[];
  /** The API had the pod's status already, so that the pod could be deleted. */
  readonly told: boolean;
};

/** A copy, to be taken before anything of the decision is begun. */
export function seenOf(
  { pod: _pod, now: _now, ...rest }: PodSnapshot,
  told: boolean,
): SeenByKubelet {
  return {
    ...rest,
    nextAttempts: { ...rest.nextAttempts },
    refused: [...rest.refused],
    underWay: [...rest.underWay],
    told,
  };
}

/** The plan that the record of the decision has. */
export function redecidePod(pod: Pod, now: number, { told, ...seen }: SeenByKubelet): Plan {
  const snapshot = {
    ...seen,
    pod,
    now,
    refused: new Set(seen.refused),
    underWay: new Set(seen.underWay),
  };
  const due = effectsDue(reconcilePod(snapshot).effects, seen.underWay, told);
  return { actions: [], effects: due.map((effect): Effect => ({ ...effect })) };
}

/** The effects to begin now, each once. */
export function effectsDue(
  effects: readonly PodEffect[],
  underWay: Iterable<string>,
  told: boolean,
): readonly PodEffect[] {
  const begun = new Set(underWay);
  return effects.filter((effect) => {
    const key = effectKey(effect);
    // The object is deleted behind its last status, so that nobody misses how the pod ended.
    if (begun.has(key) || (effect.kind === "deletePod" && !told)) return false;
    begun.add(key);
    return true;
  });
}
