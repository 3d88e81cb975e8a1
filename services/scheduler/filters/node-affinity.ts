import type {
  Node,
  NodeSelectorRequirement,
  NodeSelectorTerm,
} from "../../../shared/api/generated/types.ts";
import type { PodInfo } from "../pod-info.ts";
import type { Filter } from "./index.ts";

/** spec.nodeSelector and the required node affinity. */
export const nodeAffinity: Filter = {
  name: "NodeAffinity",
  filter(pod, { node }) {
    return selects(pod, node) ? [] : ["node(s) didn't match Pod's node affinity/selector"];
  },
};

function selects(pod: PodInfo, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  const exact = Object.entries(pod.nodeSelector);
  if (!exact.every(([key, value]) => labels[key] === value)) return false;
  const required = pod.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (required === undefined) return true;
  return required.nodeSelectorTerms.some((term) => matchesTerm(term, node));
}

/** Whether the node meets all of a term; an empty term selects nothing. */
export function matchesTerm(term: NodeSelectorTerm, node: Node): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length === 0 && matchFields.length === 0) return false;
  const labels = node.metadata.labels ?? {};
  const fields = { "metadata.name": node.metadata.name };
  return (
    matchExpressions.every((requirement) => meets(requirement, labels)) &&
    matchFields.every((requirement) => meets(requirement, fields))
  );
}

function meets(
  requirement: NodeSelectorRequirement,
  labels: Readonly<Record<string, string>>,
): boolean {
  const value = labels[requirement.key];
  const values = requirement.values ?? [];
  switch (requirement.operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "Gt":
      return value !== undefined && Number(value) > Number(values[0]);
    case "Lt":
      return value !== undefined && Number(value) < Number(values[0]);
    default:
      return false;
  }
}
