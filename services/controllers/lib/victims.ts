/** Which pods a ReplicaSet gives up first: upstream's ActivePodsWithRanks, in its order. */
import type { Pod } from "../../../shared/api/generated/types.ts";
import { parseTime } from "../../../shared/api/time.ts";
import { conditionOf, isReady } from "./pods.ts";

const PHASES: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };
const DELETION_COST = "controller.kubernetes.io/pod-deletion-cost";

/**
 * The pods, cheapest to lose first: unassigned, pending, not ready, low deletion cost, on a node
 * with many of its siblings, ready for a short time, restarted often, young; last by name, so that
 * the order is total.
 */
export function cheapestFirst(
  pods: readonly Pod[],
  siblings: readonly Pod[],
  now: number,
): readonly Pod[] {
  const perNode = new Map<string, number>();
  for (const pod of siblings) {
    const node = pod.spec?.nodeName;
    if (node) perNode.set(node, (perNode.get(node) ?? 0) + 1);
  }
  const ranked = pods.map((pod) => ({ pod, rank: rankOf(pod, perNode, now) }));
  ranked.sort((a, b) => compareRanks(a.rank, b.rank) || compareNames(a.pod, b.pod));
  return ranked.map(({ pod }) => pod);
}

/** Numbers compared in turn; the smaller goes first. */
function rankOf(pod: Pod, perNode: ReadonlyMap<string, number>, now: number): readonly number[] {
  const node = pod.spec?.nodeName;
  const ready = isReady(pod);
  const cost = Number(pod.metadata.annotations?.[DELETION_COST] ?? 0);
  const restarts = (pod.status?.containerStatuses ?? []).map((status) => status.restartCount);
  const readySince = parseTime(conditionOf(pod, "Ready")?.lastTransitionTime);
  return [
    node ? 1 : 0,
    PHASES[pod.status?.phase ?? "Pending"] ?? 1,
    ready ? 1 : 0,
    Number.isInteger(cost) ? cost : 0,
    -(perNode.get(node ?? "") ?? 0),
    ready ? ageBucket(readySince, now) : 0,
    -Math.max(0, ...restarts),
    ageBucket(parseTime(pod.metadata.creationTimestamp), now),
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

function compareRanks(a: readonly number[], b: readonly number[]): number {
  for (let index = 0; index < a.length; index++) {
    const difference = (a[index] as number) - (b[index] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

function compareNames(a: Pod, b: Pod): number {
  const [left, right] = [a.metadata.uid ?? a.metadata.name, b.metadata.uid ?? b.metadata.name];
  return left < right ? -1 : left > right ? 1 : 0;
}
