import type { Lease } from "../generated/types.ts";
import type { KubernetesObject } from "../object.ts";
import type { Findings } from "./findings.ts";
import { qualifiedName } from "./names.ts";

export function validateLease(found: Findings, object: KubernetesObject): void {
  const { spec = {} } = object as Lease;
  const { leaseDurationSeconds, leaseTransitions, strategy, preferredHolder } = spec;
  if (leaseDurationSeconds !== undefined && leaseDurationSeconds <= 0) {
    found.invalid("spec.leaseDurationSeconds", leaseDurationSeconds, "must be greater than 0");
  }
  if (leaseTransitions !== undefined && leaseTransitions < 0) {
    const words = "must be greater than or equal to 0";
    found.invalid("spec.leaseTransitions", leaseTransitions, words);
  }
  if (strategy !== undefined) {
    const field = "spec.strategy.strategy";
    if (strategy.includes("/")) found.invalidAll(field, strategy, qualifiedName(strategy));
    else found.oneOf(field, strategy, ["OldestEmulationVersion"]);
  }
  if (preferredHolder && !strategy) {
    found.forbidden("spec.preferredHolder", "may only be specified if `strategy` is defined");
  }
}
