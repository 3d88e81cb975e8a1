import type { Plan } from "../../../shared/actor/plan.ts";
import type { Pod, PodStatus } from "../../../shared/api/generated/types.ts";
import { keyOf } from "../../../shared/api/key.ts";
import { sameJson } from "../../../shared/api/same.ts";

/** Writes the status, guarded by the pod's version; undefined when the pod has it. */
export function statusPlan(pod: Pod, status: PodStatus): Plan | undefined {
  const patch = statusPatch(pod.status ?? {}, status);
  if (Object.keys(patch).length === 0) return undefined;
  const { name, namespace, resourceVersion } = pod.metadata;
  const key = keyOf("pods", namespace, name);
  const guard = resourceVersion ? { expect: resourceVersion } : {};
  return {
    actions: [{ op: "patch", key, patch: { status: patch }, subresource: "status", ...guard }],
  };
}

/** The fields that differ, as a merge patch; what is gone is null. */
function statusPatch(before: PodStatus, after: PodStatus): Record<string, unknown> {
  const patch: Record<string, unknown> = {};
  const old = before as Readonly<Record<string, unknown>>;
  const next = after as Readonly<Record<string, unknown>>;
  for (const field of new Set([...Object.keys(old), ...Object.keys(next)])) {
    if (!sameJson(old[field], next[field])) patch[field] = next[field] ?? null;
  }
  return patch;
}
