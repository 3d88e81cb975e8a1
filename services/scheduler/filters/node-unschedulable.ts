import { anyTolerates } from "../../../shared/api/taints.ts";
import type { Filter } from "./index.ts";

const TAINT = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };

/** Cordoned nodes take no pods, except such as tolerate it. */
export const nodeUnschedulable: Filter = {
  name: "NodeUnschedulable",
  filter(pod, { node }) {
    if (!node.spec?.unschedulable || anyTolerates(pod.tolerations, TAINT)) return [];
    return ["node(s) were unschedulable"];
  },
};
