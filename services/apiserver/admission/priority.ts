import { keyOf } from "../../../shared/api/key.ts";
import type { Draft } from "../draft.ts";
import { type AdmissionRequest, createsPod, refuse } from "./plugin.ts";

/** The classes that every cluster has. */
const SYSTEM_CLASSES: ReadonlyMap<string, number> = new Map([
  ["system-node-critical", 2_000_001_000],
  ["system-cluster-critical", 2_000_000_000],
]);
const DEFAULT_POLICY = "PreemptLowerPriority";

/** Fills in a pod's priority from its priority class. */
export function priority(draft: Draft, request: AdmissionRequest): void {
  if (!createsPod(request)) return;
  const { spec } = request.object;
  const { value, policy } = classOf(draft, request, spec.priorityClassName ?? "");
  if (spec.priority !== undefined && spec.priority !== null && spec.priority !== value) {
    throw refuse(
      request,
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; ` +
        `priority admission controller computed ${value} from the given PriorityClass name`,
    );
  }
  if (spec.preemptionPolicy && spec.preemptionPolicy !== policy) {
    throw refuse(
      request,
      `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in ` +
        `pod spec; priority admission controller computed ${policy} ` +
        "from the given PriorityClass name",
    );
  }
  spec.priority = value;
  spec.preemptionPolicy = policy;
}

function classOf(
  draft: Draft,
  request: AdmissionRequest,
  name: string,
): { value: number; policy: string } {
  if (name === "") return { value: 0, policy: DEFAULT_POLICY };
  const system = SYSTEM_CLASSES.get(name);
  if (system !== undefined) return { value: system, policy: DEFAULT_POLICY };
  const found = draft.read(keyOf("priorityclasses.scheduling.k8s.io", "", name));
  if (found === undefined) throw refuse(request, `no PriorityClass with name ${name} was found`);
  return { value: found.value, policy: found.preemptionPolicy ?? DEFAULT_POLICY };
}
