import type { Filter } from "./index.ts";

/** The node must have room for the pod's requests, and for one more pod. */
export const nodeResourcesFit: Filter = {
  name: "NodeResourcesFit",
  filter(pod, node) {
    const reasons: string[] = [];
    if (node.podCount + 1 > node.podsMax) reasons.push("Too many pods");
    for (const [resource, amount] of pod.requests) {
      if (amount === 0) continue;
      const free = (node.allocatable.get(resource) ?? 0) - node.requested(resource);
      if (amount > free) reasons.push(`Insufficient ${resource}`);
    }
    return reasons;
  },
};
