/** A kubelet's decisions made again from their records. */
import type { Effect, Plan } from "../../shared/actor/plan.ts";
import type { Node, Pod } from "../../shared/api/generated/types.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { firstOf, type NodeDescription, reconcileNode } from "./decide/node.ts";
import { reconcilePod, reconcileRemoved } from "./decide/pod.ts";
import { statusPlan } from "./decide/status-plan.ts";
import { effectKey, type PodEffect, type PodSnapshot } from "./decide/types.ts";

type PodPart = Omit<PodSnapshot, "pod" | "now" | "refused" | "underWay"> & {
  readonly refused: readonly string[];
  readonly underWay: readonly string[];
};

/** What a decision was made on beside the object and the time; as JSON in its record. */
export type SeenByKubelet =
  /** What to do about a pod on the node. */
  | (PodPart & {
      readonly part?: "effects";
      /** The API had the pod's status already, so that the pod could be deleted. */
      readonly told: boolean;
    })
  /** What to say about it. */
  | (PodPart & { readonly part: "status" })
  /** What to do about what is left of a pod that is gone. */
  | (PodPart & {
      readonly part: "removal";
      /** The pod as its remains tell, where no version of it was known. */
      readonly pod?: Pod;
    })
  /** What to say about the node. */
  | { readonly part: "node"; readonly description: NodeDescription };

/** A copy, to be taken before anything of the decision is begun. */
export function seenOf({ pod: _pod, now: _now, ...rest }: PodSnapshot): PodPart {
  return {
    ...rest,
    nextAttempts: { ...rest.nextAttempts },
    refused: [...rest.refused],
    underWay: [...rest.underWay],
  };
}

/** The plan that the record of the decision has; `object` is the Pod, or the Node. */
export function redecide(
  object: KubernetesObject | undefined,
  now: number,
  seen: SeenByKubelet,
): Plan {
  if (seen.part === "node") {
    return firstOf(reconcileNode(seen.description, object as Node | undefined, now));
  }
  const pod = object as Pod;
  const snapshot: PodSnapshot = {
    ...seen,
    pod,
    now,
    refused: new Set(seen.refused),
    underWay: new Set(seen.underWay),
  };
  if (seen.part === "removal") return effectsPlan(reconcileRemoved(snapshot));
  const { status, effects } = reconcilePod(snapshot);
  if (seen.part === "status") return statusPlan(pod, status) ?? { actions: [] };
  return effectsPlan(effectsDue(effects, seen.underWay, seen.told));
}

export function effectsPlan(effects: readonly PodEffect[]): Plan {
  return { actions: [], effects: effects.map((effect): Effect => ({ ...effect })) };
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
