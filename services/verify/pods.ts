import type { KubernetesObject } from "../../shared/api/object.ts";

/** Questions about pods, answered without the product's own help. */

export function isActive(pod: KubernetesObject): boolean {
  return pod.metadata.deletionTimestamp === undefined && !isTerminal(pod);
}

export function isTerminal(pod: KubernetesObject): boolean {
  const phase = pod["status"]?.phase;
  return phase === "Succeeded" || phase === "Failed";
}

export function isReady(pod: KubernetesObject): boolean {
  const conditions: { type: string; status: string }[] = pod["status"]?.conditions ?? [];
  return conditions.some(({ type, status }) => type === "Ready" && status === "True");
}

export function isAvailable(pod: KubernetesObject | undefined): boolean {
  return pod !== undefined && isActive(pod) && isReady(pod);
}
