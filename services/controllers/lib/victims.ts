/** Which pods a ReplicaSet gives up first: upstream's ActivePodsWithRanks, in its order. */
import type { PodFacts } from "./pod-facts.ts";

const PHASES: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

interface Ranked {
  readonly pod: PodFacts;
  readonly rank: readonly number[];
}

/**
 * The `count` pods that are cheapest to lose, in order: unassigned, pending, not ready, low
 * deletion cost, on a node with many of its siblings, ready for a short time, restarted often,
 * young; last by uid, so that the order is total.
 */
export function cheapestFirst(
  pods: readonly PodFacts[],
  siblings: readonly PodFacts[],
  now: number,
  count: number,
): readonly PodFacts[] {
  const perNode = new Map<string, number>();
  for (const { node } of siblings) {
    if (node) perNode.set(node, (perNode.get(node) ?? 0) + 1);
  }
  // In order, and never more than wanted: there may be a hundred times as many pods.
  const cheapest: Ranked[] = [];
  for (const pod of pods) {
    const ranked = { pod, rank: rankOf(pod, perNode, now) };
    const last = cheapest.length === count ? cheapest.at(-1) : undefined;
    if (last !== undefined && compare(ranked, last) > 0) continue;
    cheapest.splice(placeOf(ranked, cheapest), 0, ranked);
    if (cheapest.length > count) cheapest.pop();
  }
  return cheapest.map(({ pod }) => pod);
}

/** Numbers compared in turn; the smaller goes first. */
function rankOf(pod: PodFacts, perNode: ReadonlyMap<string, number>, now: number): number[] {
  const { node, ready } = pod;
  return [
    node ? 1 : 0,
    PHASES[pod.phase] ?? 1,
    ready ? 1 : 0,
    pod.deletionCost,
    -(perNode.get(node) ?? 0),
    ready ? ageBucket(pod.readySince, now) : 0,
    -pod.restarts,
    ageBucket(pod.createdAt, now),
  ];
}

/**
 * Ages are compared by their order of magnitude (KEP-2185), so that deletions spread over pods of
 * about the same age instead of always hitting the youngest.
 */
function ageBucket(since: number | undefined, now: number): number {
  if (since === undefined || now <= since) return 0;
  return Math.floor(Math.log2((now - since) * 1e6));
}

function placeOf(ranked: Ranked, among: readonly Ranked[]): number {
  let low = 0;
  let high = among.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(among[middle] as Ranked, ranked) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function compare(one: Ranked, other: Ranked): number {
  for (let index = 0; index < one.rank.length; index++) {
    const difference = (one.rank[index] as number) - (other.rank[index] as number);
    if (difference !== 0) return difference;
  }
  return one.pod.uid < other.pod.uid ? -1 : one.pod.uid > other.pod.uid ? 1 : 0;
}
