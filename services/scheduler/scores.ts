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

const SCORED = ["cpu", "memory"] as const;

/** How full the node would be, per scored resource, from 0 to 1. */
function fractions(pod: PodInfo, node: NodeInfo): number[] {
  return SCORED.map((resource) => {
    const room = node.allocatable.get(resource) ?? 0;
    const taken = node.assumed(resource) + (pod.assumed.get(resource) ?? 0);
    return room <= 0 ? 1 : Math.min(1, taken / room);
  });
}

const leastAllocated: Score = {
  name: "NodeResourcesFit",
  weight: 1,
  score(pod, node) {
    const full = fractions(pod, node);
    return (100 * full.reduce((sum, fraction) => sum + (1 - fraction), 0)) / full.length;
  },
};

const balancedAllocation: Score = {
  name: "NodeResourcesBalancedAllocation",
  weight: 1,
  score(pod, node) {
    const [cpu = 0, memory = 0] = fractions(pod, node);
    return 100 * (1 - Math.abs(cpu - memory) / 2);
  },
};

/**
 * Pods of one controller spread over the nodes; absolute, so that a score needs no other node's.
 */
const spread: Score = {
  name: "PodTopologySpread",
  weight: 2,
  score(pod, node) {
    return pod.owner === "" ? 100 : 100 / (1 + node.ownedBy(pod.owner));
  },
};

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

export const SCORES: readonly Score[] = [
  leastAllocated,
  balancedAllocation,
  spread,
  preferredTaints,
  preferredAffinity,
];

/** The weighted sum of all scores. */
export function scoreOf(pod: PodInfo, node: NodeInfo): number {
  return SCORES.reduce((sum, plugin) => sum + plugin.weight * plugin.score(pod, node), 0);
}
