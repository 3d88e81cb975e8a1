/** Questions about pods that several controllers ask, answered as upstream does. */
import type { Pod, PodCondition } from "../../../shared/api/generated/types.ts";
import { keyOf } from "../../../shared/api/key.ts";
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

export function podKey(pod: Pod): Key {
  return keyOf("pods", pod.metadata.namespace, pod.metadata.name);
}
