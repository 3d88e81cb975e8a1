import type { NodeInfo, Surroundings } from "../node-info.ts";
import type { PodInfo } from "../pod-info.ts";
import { interPodAffinity } from "./inter-pod-affinity.ts";
import { nodeAffinity } from "./node-affinity.ts";
import { nodeName } from "./node-name.ts";
import { nodePorts } from "./node-ports.ts";
import { nodeResourcesFit } from "./node-resources-fit.ts";
import { nodeUnschedulable } from "./node-unschedulable.ts";
import { podTopologySpread } from "./pod-topology-spread.ts";
import { taintToleration } from "./taint-toleration.ts";

/** A filter plugin, named as in Kubernetes. */
export interface Filter {
  readonly name: string;
  /** True when placing pods elsewhere can change the answer for a node that it refuses now. */
  readonly looksAround?: boolean;
  /** Why the pod cannot run on the node, in upstream's words; nothing: it can. */
  filter(pod: PodInfo, node: NodeInfo, around: Surroundings): readonly string[];
}

/** In the order in which they are asked; the first that refuses gives the reason. */
export const FILTERS: readonly Filter[] = [
  nodeUnschedulable,
  nodeName,
  taintToleration,
  nodeAffinity,
  nodePorts,
  nodeResourcesFit,
  podTopologySpread,
  interPodAffinity,
];

/** What a node refuses a pod for. */
export interface Refusals {
  /** The first filter that refuses; undefined: the pod can run on the node. */
  readonly plugin: Filter | undefined;
  readonly reasons: readonly string[];
}

const NONE: Refusals = { plugin: undefined, reasons: [] };

/** Asks the filters in order, until one refuses. */
export function refusalsOf(
  filters: readonly Filter[],
  pod: PodInfo,
  node: NodeInfo,
  around: Surroundings,
): Refusals {
  for (const plugin of filters) {
    const reasons = plugin.filter(pod, node, around);
    if (reasons.length > 0) return { plugin, reasons };
  }
  return NONE;
}
