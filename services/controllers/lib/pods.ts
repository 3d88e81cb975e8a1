/** Questions about pods that several controllers ask, answered as upstream does. */
import type { Pod, PodCondition } from "../../../shared/api/generated/types.ts";
import { keyOf } from "../../../shared/api/key.ts";
import { parseTime } from "../../../shared/api/time.ts";
import type { Key } from "../../../shared/store/store.ts";

/** Counts towards a ReplicaSet's replicas: neither finished nor being deleted. */
export function isActive(pod: Pod): boolean {
  return !isTerminal(pod) && pod.metadata.deletionTimestamp === undefined;
}

/** Has run to its end: nothing of it will start again. */
export function isTerminal(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

export function conditionOf(pod: Pod, type: string): PodCondition | undefined {
  return pod.status?.conditions?.find((condition) => condition.type === type);
}

export function isReady(pod: Pod): boolean {
  return conditionOf(pod, "Ready")?.status === "True";
}

/**
 * Milliseconds until the pod counts as available (ready for `minReadySeconds`): 0 when it is now,
 * undefined while it is not ready.
 */
export function msUntilAvailable(
  pod: Pod,
  minReadySeconds: number,
  now: number,
): number | undefined {
  const ready = conditionOf(pod, "Ready");
  if (ready?.status !== "True") return undefined;
  if (minReadySeconds === 0) return 0;
  const since = parseTime(ready.lastTransitionTime);
  if (since === undefined) return undefined;
  return Math.max(0, since + minReadySeconds * 1000 - now);
}

export function podKey(pod: Pod): Key {
  return keyOf("pods", pod.metadata.namespace, pod.metadata.name);
}
