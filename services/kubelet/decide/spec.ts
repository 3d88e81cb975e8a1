import type { Container, Pod } from "../../../shared/api/generated/types.ts";

/** An init container that keeps running beside the others: a sidecar. */
export function isRestartableInit(container: Container): boolean {
  return container.restartPolicy === "Always";
}

/** `name_namespace(uid)`, as upstream names a pod in messages. */
export function podTitle(pod: Pod): string {
  return `${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})`;
}
