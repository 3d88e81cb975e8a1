import type { Node, Pod } from "../../shared/api/generated/types.ts";
import { keyOf } from "../../shared/api/key.ts";
import { amountsOf, podRequests } from "../../shared/api/pod-requests.ts";
import type { ProjectionReader } from "../../shared/store/view.ts";

/** What a node held when a pod was placed, as the log had it. */
export interface NodeLoad {
  readonly pods: number;
  /** Asked for by its pods, of what it has; 0 to 1. */
  readonly cpu: number;
  readonly memory: number;
}

export function loadOf(view: ProjectionReader, name: string): NodeLoad {
  const node = view.get(keyOf("nodes", undefined, name))?.object as Node | undefined;
  const has = amountsOf(node?.status?.allocatable ?? {});
  const pods = view
    .onNode(name)
    .map(({ object }) => object as Pod)
    .filter(({ status }) => status?.phase !== "Succeeded" && status?.phase !== "Failed");
  const requests = pods.map((pod) => podRequests(pod));
  const part = (resource: string): number => {
    const asked = requests.reduce((sum, each) => sum + (each.get(resource) ?? 0), 0);
    return asked / (has.get(resource) || Number.POSITIVE_INFINITY);
  };
  return { pods: pods.length, cpu: part("cpu"), memory: part("memory") };
}
