import type { PodAffinityTerm } from "../../../shared/api/generated/types.ts";
import { labelSelectorOf } from "../../../shared/api/selectors.ts";
import type { NodeInfo, Surroundings } from "../node-info.ts";
import type { PodInfo } from "../pod-info.ts";
import type { Filter } from "./index.ts";

/** Required pod affinity and anti-affinity, also that of the pods which are there already. */
export const interPodAffinity: Filter = {
  name: "InterPodAffinity",
  looksAround: true,
  filter(pod, node, around) {
    const affine = required(pod, "podAffinity");
    if (!affine.every((term) => isNear(pod, term, node, around))) {
      return ["node(s) didn't match pod affinity rules"];
    }
    const apart = required(pod, "podAntiAffinity");
    if (apart.some((term) => hasMatch(pod, term, node, around))) {
      return ["node(s) didn't match pod anti-affinity rules"];
    }
    return isRefused(pod, node, around)
      ? ["node(s) didn't satisfy existing pods anti-affinity rules"]
      : [];
  },
};

function required(
  pod: PodInfo,
  kind: "podAffinity" | "podAntiAffinity",
): readonly PodAffinityTerm[] {
  return pod.affinity?.[kind]?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
}

/** The first pod of a group that is affine to itself may go anywhere. */
function isNear(
  pod: PodInfo,
  term: PodAffinityTerm,
  node: NodeInfo,
  around: Surroundings,
): boolean {
  if (node.node.metadata.labels?.[term.topologyKey] === undefined) return false;
  if (hasMatch(pod, term, node, around)) return true;
  const matches = matcherOf(pod, term);
  return matches(pod) && !around.nodes.some((other) => [...other.pods].some(matches));
}

/** Whether a pod that the term selects runs in the node's domain. */
function hasMatch(
  pod: PodInfo,
  term: PodAffinityTerm,
  node: NodeInfo,
  around: Surroundings,
): boolean {
  const domain = node.node.metadata.labels?.[term.topologyKey];
  if (domain === undefined) return false;
  const domains = around.once(term, () => domainsOf(pod, term, around));
  return domains.has(domain);
}

/** The domains in which a pod that the term selects runs. */
function domainsOf(pod: PodInfo, term: PodAffinityTerm, around: Surroundings): Set<string> {
  const matches = matcherOf(pod, term);
  const domains = new Set<string>();
  for (const node of around.nodes) {
    const domain = node.node.metadata.labels?.[term.topologyKey];
    if (domain === undefined || domains.has(domain)) continue;
    for (const candidate of node.pods) if (matches(candidate)) domains.add(domain);
  }
  return domains;
}

function isRefused(pod: PodInfo, node: NodeInfo, around: Surroundings): boolean {
  const closed = around.once(pod, () => closedDomains(pod, around));
  const { labels = {} } = node.node.metadata;
  for (const [key, domains] of closed) if (domains.has(labels[key] as string)) return true;
  return false;
}

/** The domains, by topology key, from which the pods that run there keep this one away. */
function closedDomains(pod: PodInfo, around: Surroundings): Map<string, Set<string>> {
  const closed = new Map<string, Set<string>>();
  for (const { antiAffine, node } of around.antiAffine) {
    for (const resident of antiAffine) {
      for (const term of required(resident, "podAntiAffinity")) {
        const domain = node.metadata.labels?.[term.topologyKey];
        if (domain === undefined || !matcherOf(resident, term)(pod)) continue;
        const domains = closed.get(term.topologyKey);
        if (domains === undefined) closed.set(term.topologyKey, new Set([domain]));
        else domains.add(domain);
      }
    }
  }
  return closed;
}

/**
 * Whether a pod is meant by the term of `owner`. A namespaceSelector is taken as upstream takes an
 * empty one, all namespaces: the labels of namespaces are not known to the scheduler.
 */
function matcherOf(owner: PodInfo, term: PodAffinityTerm): (pod: PodInfo) => boolean {
  const selector = labelSelectorOf(term.labelSelector);
  const own = owner.pod.metadata.labels ?? {};
  const named = term.namespaces ?? [];
  const everywhere = term.namespaceSelector !== undefined;
  return ({ pod }) => {
    const { namespace = "", labels = {}, deletionTimestamp } = pod.metadata;
    if (deletionTimestamp !== undefined) return false;
    const here =
      named.length > 0 ? named.includes(namespace) : namespace === owner.pod.metadata.namespace;
    if (!here && !everywhere) return false;
    const equal = (term.matchLabelKeys ?? []).every((key) => labels[key] === own[key]);
    const unequal = (term.mismatchLabelKeys ?? []).every((key) => labels[key] !== own[key]);
    return selector.matchesLabels(labels) && equal && unequal;
  };
}
