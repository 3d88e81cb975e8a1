import { anyTolerates } from "../../shared/api/taints.ts";
import { matchesTerm } from "./filters/node-affinity.ts";
import type { NodeInfo } from "./node-info.ts";
import type { PodInfo } from "./pod-info.ts";

/** A score plugin, named as in Kubernetes: 0 (worst) to 100 (best), before its weight. */
export interface Score {
  readonly name: string;
  readonly weight: number;
  score(pod: PodInfo, node: NodeInfo): number;
}

const LEAST_ALLOCATED_WEIGHT = 1;
const BALANCED_ALLOCATION_WEIGHT = 1;

/**
 * NodeResourcesFit (least allocated) and NodeResourcesBalancedAllocation together, weighted: how
 * empty the node would be, and how evenly, if `cpu` and `memory` were taken of its `room`.
 */
export function resourceScore(
  cpu: number,
  cpuRoom: number,
  memory: number,
  memoryRoom: number,
): number {
  const cpuFull = cpuRoom <= 0 ? 1 : Math.min(1, cpu / cpuRoom);
  const memoryFull = memoryRoom <= 0 ? 1 : Math.min(1, memory / memoryRoom);
  const least = (100 * (2 - cpuFull - memoryFull)) / 2;
  const balanced = 100 * (1 - Math.abs(cpuFull - memoryFull) / 2);
  return LEAST_ALLOCATED_WEIGHT * least + BALANCED_ALLOCATION_WEIGHT * balanced;
}

/**
 * Pods of one controller spread over the nodes; absolute, so that a score needs no other node's.
 */
const spread: Score = {
  name: "PodTopologySpread",
  weight: 2,
  score(pod, node) {
    return spreadScore(pod.owner === "" ? 0 : node.ownedBy(pod.owner));
  },
};

function spreadScore(ownedBy: number): number {
  return 100 / (1 + ownedBy);
}

const preferredTaints: Score = {
  name: "TaintToleration",
  weight: 3,
  score(pod, { node }) {
    const untolerated = (node.spec?.taints ?? []).filter(
      (taint) => taint.effect === "PreferNoSchedule" && !anyTolerates(pod.tolerations, taint),
    );
    return 100 / (1 + untolerated.length);
  },
};

const preferredAffinity: Score = {
  name: "NodeAffinity",
  weight: 2,
  score(pod, { node }) {
    const terms = pod.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    const total = terms.reduce((sum, term) => sum + term.weight, 0);
    if (total === 0) return 0;
    const met = terms.filter(({ preference }) => matchesTerm(preference, node));
    return (100 * met.reduce((sum, term) => sum + term.weight, 0)) / total;
  },
};

/** All but those of `resourceScore`, which every node is asked for. */
export const SCORES: readonly Score[] = [spread, preferredTaints, preferredAffinity];

/**
 * What `otherScores` comes to for a pod without wishes on a node without taints, where so many pods
 * of its controller are.
 */
export function plainScore(ownedBy: number): number {
  return spread.weight * spreadScore(ownedBy) + preferredTaints.weight * 100;
}

/** The weighted sum of all scores but `resourceScore`. */
export function otherScores(pod: PodInfo, node: NodeInfo): number {
  return SCORES.reduce((sum, plugin) => sum + plugin.weight * plugin.score(pod, node), 0);
}
