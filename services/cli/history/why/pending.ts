/** Why a pod has no node: the scheduler's own filters, asked for each node by itself. */
import type { Node, Pod } from "../../../../shared/api/generated/types.ts";
import { isTerminal } from "../../../scheduler/cluster-state.ts";
import { FILTERS, refusalsOf } from "../../../scheduler/filters/index.ts";
import { NodeTable } from "../../../scheduler/node-table.ts";
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
  const table = new NodeTable();
  for (const node of nodes) table.set(node);
  for (const other of pods) {
    const info = table.get(other.spec?.nodeName ?? "");
    if (info !== undefined && !isTerminal(other)) table.add(info, podInfo(other));
  }
  const around = table.surroundings();
  const asked = podInfo(pod);
  const fits: string[] = [];
  const refusals: Refusal[] = [];
  for (const info of table.rows) {
    const { plugin, reasons } = refusalsOf(FILTERS, asked, info, around);
    if (plugin === undefined) fits.push(info.name);
    else refusals.push({ node: info.name, filter: plugin.name, reasons });
  }
  return { fits, refusals };
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
