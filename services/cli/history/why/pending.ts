/** Why a pod has no node: the scheduler's own filters, asked for each node by itself. */
import type { Node, Pod } from "../../../../shared/api/generated/types.ts";
import { isTerminal } from "../../../scheduler/cluster-state.ts";
import { FILTERS } from "../../../scheduler/filters/index.ts";
import { NodeInfo, Surroundings } from "../../../scheduler/node-info.ts";
import { podInfo } from "../../../scheduler/pod-info.ts";
import { SCHEDULER_NAME } from "../../../scheduler/start.ts";

export interface Refusal {
  readonly node: string;
  /** The plugin that refuses, as Kubernetes calls it. */
  readonly filter: string;
  readonly reasons: readonly string[];
}

export interface Pending {
  /** Why it is not even tried; then there are no refusals. */
  readonly notTried?: string;
  /** Nodes that would take it now. */
  readonly fits: readonly string[];
  readonly refusals: readonly Refusal[];
}

/** True for a pod that waits for a node. */
export function isPending(pod: Pod): boolean {
  return !pod.spec?.nodeName && !isTerminal(pod) && !pod.metadata.deletionTimestamp;
}

/** What keeps the pod from each node. */
export function explainPending(pod: Pod, nodes: readonly Node[], pods: readonly Pod[]): Pending {
  const { schedulerName = SCHEDULER_NAME, schedulingGates = [] } = pod.spec ?? {};
  const nothing = { fits: [], refusals: [] };
  if (schedulingGates.length > 0) {
    const gates = schedulingGates.map(({ name }) => name).join(", ");
    return { ...nothing, notTried: `its scheduling gates are closed: ${gates}` };
  }
  if (schedulerName !== SCHEDULER_NAME) {
    return { ...nothing, notTried: `it waits for the scheduler ${schedulerName}` };
  }
  if (nodes.length === 0) return { ...nothing, notTried: "the cluster has no nodes" };
  return askFilters(pod, nodes, pods);
}

function askFilters(pod: Pod, nodes: readonly Node[], pods: readonly Pod[]): Pending {
  const infos = new Map(nodes.map((node) => [node.metadata.name, new NodeInfo(node)]));
  for (const other of pods) {
    if (isTerminal(other) || other.metadata.uid === undefined) continue;
    infos.get(other.spec?.nodeName ?? "")?.add(other.metadata.uid, podInfo(other));
  }
  const around = new Surroundings([...infos.values()]);
  const asked = podInfo(pod);
  const fits: string[] = [];
  const refusals: Refusal[] = [];
  for (const [node, info] of infos) {
    const refusal = firstRefusal(asked, info, around);
    if (refusal === undefined) fits.push(node);
    else refusals.push({ node, ...refusal });
  }
  return { fits, refusals };
}

function firstRefusal(...asked: Parameters<(typeof FILTERS)[number]["filter"]>) {
  for (const plugin of FILTERS) {
    const reasons = plugin.filter(...asked);
    if (reasons.length > 0) return { filter: plugin.name, reasons };
  }
  return undefined;
}

/** How many nodes each reason refuses, the most frequent first. */
export function countsOf({ refusals }: Pending): { reason: string; nodes: number }[] {
  const counts = new Map<string, number>();
  for (const { filter, reasons } of refusals) {
    for (const reason of reasons) {
      const text = `${filter}: ${reason}`;
      counts.set(text, (counts.get(text) ?? 0) + 1);
    }
  }
  return [...counts]
    .map(([reason, nodes]) => ({ reason, nodes }))
    .sort((a, b) => b.nodes - a.nodes || (a.reason < b.reason ? -1 : 1));
}
