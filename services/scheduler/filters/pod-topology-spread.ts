import type { TopologySpreadConstraint } from "../../../shared/api/generated/types.ts";
import { labelSelectorOf } from "../../../shared/api/selectors.ts";
import { anyTolerates } from "../../../shared/api/taints.ts";
import type { NodeInfo, Surroundings } from "../node-info.ts";
import type { PodInfo } from "../pod-info.ts";
import type { Filter } from "./index.ts";
import { nodeAffinity } from "./node-affinity.ts";

/** topologySpreadConstraints with whenUnsatisfiable DoNotSchedule. */
export const podTopologySpread: Filter = {
  name: "PodTopologySpread",
  looksAround: true,
  filter(pod, node, around) {
    const constraints = (pod.pod.spec?.topologySpreadConstraints ?? []).filter(
      ({ whenUnsatisfiable }) => whenUnsatisfiable === "DoNotSchedule",
    );
    for (const constraint of constraints) {
      const domain = node.node.metadata.labels?.[constraint.topologyKey];
      if (domain === undefined) {
        return ["node(s) didn't match pod topology spread constraints (missing required label)"];
      }
      const counts = around.once(constraint, () => countDomains(pod, constraint, around));
      const least = (constraint.minDomains ?? 1) > counts.size ? 0 : Math.min(...counts.values());
      const self = matcherOf(pod, constraint)(pod) ? 1 : 0;
      if ((counts.get(domain) ?? 0) + self - least > constraint.maxSkew) {
        return ["node(s) didn't match pod topology spread constraints"];
      }
    }
    return [];
  },
};

function matcherOf(
  pod: PodInfo,
  constraint: TopologySpreadConstraint,
): (other: PodInfo) => boolean {
  const selector = labelSelectorOf(constraint.labelSelector);
  const own = pod.pod.metadata.labels ?? {};
  const keys = constraint.matchLabelKeys ?? [];
  return (other) => {
    const { namespace, labels = {}, deletionTimestamp } = other.pod.metadata;
    if (namespace !== pod.pod.metadata.namespace || deletionTimestamp !== undefined) return false;
    return selector.matchesLabels(labels) && keys.every((key) => labels[key] === own[key]);
  };
}

/** Matching pods per domain, over the nodes that count for the constraint. */
function countDomains(
  pod: PodInfo,
  constraint: TopologySpreadConstraint,
  around: Surroundings,
): Map<string, number> {
  const matches = matcherOf(pod, constraint);
  const counts = new Map<string, number>();
  for (const node of around.nodes) {
    const domain = node.node.metadata.labels?.[constraint.topologyKey];
    if (domain === undefined || !isCounted(pod, constraint, node, around)) continue;
    let count = counts.get(domain) ?? 0;
    for (const other of node.pods) if (matches(other)) count++;
    counts.set(domain, count);
  }
  return counts;
}

function isCounted(
  pod: PodInfo,
  constraint: TopologySpreadConstraint,
  node: NodeInfo,
  around: Surroundings,
): boolean {
  const affine = constraint.nodeAffinityPolicy === "Ignore";
  if (!affine && nodeAffinity.filter(pod, node, around).length > 0) return false;
  if (constraint.nodeTaintsPolicy !== "Honor") return true;
  const taints = node.node.spec?.taints ?? [];
  return taints.every(
    (taint) => taint.effect === "PreferNoSchedule" || anyTolerates(pod.tolerations, taint),
  );
}
