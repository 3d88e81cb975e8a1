import type { Draft } from "../draft.ts";
import { type AdmissionRequest, createsPod } from "./plugin.ts";

/** How long a pod stays bound to a node that is not ready or cannot be reached. */
const TOLERATION_SECONDS = 300;
const TAINTS = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

interface Toleration {
  key?: string;
  operator?: string;
  effect?: string;
  tolerationSeconds?: number;
}

export function defaultTolerations(_: Draft, request: AdmissionRequest): void {
  if (!createsPod(request)) return;
  const { spec } = request.object;
  const tolerations: Toleration[] = spec.tolerations ?? [];
  const missing = TAINTS.filter((taint) => !tolerations.some((each) => tolerates(each, taint)));
  if (missing.length === 0) return;
  const added = missing.map((key) => ({
    key,
    operator: "Exists",
    effect: "NoExecute",
    tolerationSeconds: TOLERATION_SECONDS,
  }));
  spec.tolerations = [...tolerations, ...added];
}

function tolerates({ key, effect }: Toleration, taint: string): boolean {
  return (key === taint || !key) && (effect === "NoExecute" || !effect);
}
