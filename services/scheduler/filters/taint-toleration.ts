import { anyTolerates } from "../../../shared/api/taints.ts";
import type { Filter } from "./index.ts";

/** Taints that keep pods from being scheduled must all be tolerated. */
export const taintToleration: Filter = {
  name: "TaintToleration",
  filter(pod, { node }) {
    const taint = node.spec?.taints?.find(
      (candidate) =>
        candidate.effect !== "PreferNoSchedule" && !anyTolerates(pod.tolerations, candidate),
    );
    if (taint === undefined) return [];
    return [`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ""}}`];
  },
};
