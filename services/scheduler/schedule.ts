/**
 * The scheduling decision: pods and nodes in, placements out. Pure but for the nodes it is given,
 * which count the pods it places. Pods with the same signature are decided together: nodes are
 * filtered and scored once for all of them, and after each placement only the node chosen again.
 */
import { FILTERS, refusals } from "./filters/index.ts";
import { type NodeInfo, Surroundings } from "./node-info.ts";
import type { PodInfo } from "./pod-info.ts";
import { scoreOf } from "./scores.ts";

export interface Placement {
  readonly pod: PodInfo;
  /** Name of the node; undefined: no node takes the pod, for `message`'s reasons. */
  readonly node: string | undefined;
  readonly message?: string;
}

/** Places the pods, in order, each seeing the ones before it. */
export function schedule(pods: readonly PodInfo[], nodes: readonly NodeInfo[]): Placement[] {
  const groups = new Map<string, PodInfo[]>();
  for (const pod of pods) {
    const group = groups.get(pod.signature);
    if (group === undefined) groups.set(pod.signature, [pod]);
    else group.push(pod);
  }
  return [...groups.values()].flatMap((group) => {
    const looksAround = FILTERS.some(
      (plugin) => plugin.looksAround && concerns(plugin.name, group),
    );
    return looksAround || nodes.some((node) => node.antiAffine.size > 0)
      ? group.flatMap((pod) => placeGroup([pod], nodes))
      : placeGroup(group, nodes);
  });
}

/** Whether pods of this kind are placed by what runs on other nodes. */
function concerns(plugin: string, [pod]: readonly PodInfo[]): boolean {
  if (plugin === "PodTopologySpread") {
    return (pod?.pod.spec?.topologySpreadConstraints?.length ?? 0) > 0;
  }
  const { podAffinity, podAntiAffinity } = pod?.affinity ?? {};
  return podAffinity !== undefined || podAntiAffinity !== undefined;
}

interface Candidate {
  readonly node: NodeInfo;
  score: number;
}

function placeGroup(group: readonly PodInfo[], nodes: readonly NodeInfo[]): Placement[] {
  const first = group[0] as PodInfo;
  const around = new Surroundings(nodes);
  const refused = new Map<string, number>();
  const heap: Candidate[] = [];
  for (const node of nodes) {
    const reasons = refusals(first, node, around);
    for (const reason of reasons) refused.set(reason, (refused.get(reason) ?? 0) + 1);
    if (reasons.length === 0) heap.push({ node, score: scoreOf(first, node) });
  }
  heapify(heap);
  return group.map((pod) => {
    const best = heap[0];
    if (best === undefined) return { pod, node: undefined, message: explain(nodes, refused) };
    best.node.add(pod.pod.metadata.uid as string, pod);
    const reasons = refusals(first, best.node, around);
    if (reasons.length === 0) best.score = scoreOf(first, best.node);
    else {
      for (const reason of reasons) refused.set(reason, (refused.get(reason) ?? 0) + 1);
      const last = heap.pop() as Candidate;
      if (last !== best) heap[0] = last;
    }
    sink(heap, 0);
    return { pod, node: best.node.node.metadata.name };
  });
}

/** Upstream's sentence about why no node takes a pod. */
function explain(nodes: readonly NodeInfo[], refused: ReadonlyMap<string, number>): string {
  if (nodes.length === 0) return "no nodes available to schedule pods";
  const reasons = [...refused].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${nodes.length} nodes are available: ${reasons.join(", ")}.`;
}

/** Better first; equal scores by name, so that the same input gives the same answer. */
function precedes(a: Candidate, b: Candidate): boolean {
  if (a.score !== b.score) return a.score > b.score;
  return a.node.node.metadata.name < b.node.node.metadata.name;
}

function heapify(heap: Candidate[]): void {
  for (let index = (heap.length >> 1) - 1; index >= 0; index--) sink(heap, index);
}

function sink(heap: Candidate[], start: number): void {
  let index = start;
  for (;;) {
    let best = index;
    for (const child of [2 * index + 1, 2 * index + 2]) {
      const candidate = heap[child];
      if (candidate !== undefined && precedes(candidate, heap[best] as Candidate)) best = child;
    }
    if (best === index) return;
    const moved = heap[index] as Candidate;
    heap[index] = heap[best] as Candidate;
    heap[best] = moved;
    index = best;
  }
}
