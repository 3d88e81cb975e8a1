import type { Container, Pod } from "../../../shared/api/generated/types.ts";

const COMPUTE = ["cpu", "memory"] as const;

/**
 * The quality-of-service class by Kubernetes' rule: Guaranteed when every container limits cpu and
 * memory and asks for exactly its limits, BestEffort when none asks for or limits either, otherwise
 * Burstable.
 */
export function qosClass(pod: Pod): "Guaranteed" | "Burstable" | "BestEffort" {
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  let asksForSomething = false;
  let guaranteed = true;
  for (const container of containers) {
    for (const resource of COMPUTE) {
      const request = quantityOf(container, "requests", resource);
      const limit = quantityOf(container, "limits", resource);
      if (request !== undefined || limit !== undefined) asksForSomething = true;
      if (limit === undefined || (request !== undefined && request !== limit)) guaranteed = false;
    }
  }
  if (!asksForSomething) return "BestEffort";
  return guaranteed ? "Guaranteed" : "Burstable";
}

/** A zero quantity counts as none. */
function quantityOf(
  container: Container,
  part: "requests" | "limits",
  resource: string,
): string | undefined {
  const value = container.resources?.[part]?.[resource];
  if (value === undefined || /^0+(\.0*)?[A-Za-z]*$/.test(String(value))) return undefined;
  return String(value);
}
