import type { HostPort } from "../pod-info.ts";
import type { Filter } from "./index.ts";

/** Host ports that the pod wants must be free. */
export const nodePorts: Filter = {
  name: "NodePorts",
  filter(pod, node) {
    if (pod.hostPorts.length === 0) return [];
    const taken = node.hostPorts;
    const clashes = pod.hostPorts.some((port) => taken.some((other) => clash(port, other)));
    return clashes ? ["node(s) didn't have free ports for the requested pod ports"] : [];
  },
};

function clash(a: HostPort, b: HostPort): boolean {
  if (a.port !== b.port || a.protocol !== b.protocol) return false;
  return a.ip === b.ip || a.ip === "0.0.0.0" || b.ip === "0.0.0.0";
}
