/**
 * Taint eviction controller: a pod leaves a node whose NoExecute taints it does not tolerate, or no
 * longer tolerates once the shortest tolerationSeconds has passed since the taint was added.
 */

import type { Controller, Snapshot } from "../../shared/actor/controller.ts";
import type { Plan } from "../../shared/actor/plan.ts";
import type { Node, Pod, Taint, Toleration } from "../../shared/api/generated/types.ts";
import { keyOf } from "../../shared/api/key.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { tolerates } from "../../shared/api/taints.ts";
import { parseTime } from "../../shared/api/time.ts";
import type { Key } from "../../shared/store/store.ts";
import { isTerminal, podKey } from "./lib/pods.ts";

export const taintEviction: Controller = {
  name: "taint-eviction",
  version: 1,
  primary: "pods",
  wakes: { nodes: wokenByNode },
  reconcile,
};

function wokenByNode(
  object: KubernetesObject | undefined,
  old: KubernetesObject | undefined,
  at: Snapshot,
): readonly Key[] {
  if (object === undefined || object["spec"]?.taints === old?.["spec"]?.taints) return [];
  if (noExecute(object as Node).length === 0) return [];
  return at.onNode<Pod>(object.metadata.name).map(podKey);
}

export function reconcile(key: Key, at: Snapshot): Plan {
  const pod = at.getKey<Pod>(key);
  const nodeName = pod?.spec?.nodeName;
  if (pod === undefined || !nodeName || isTerminal(pod)) return { actions: [] };
  if (pod.metadata.deletionTimestamp !== undefined) return { actions: [] };
  const node = at.getKey<Node>(keyOf("nodes", "", nodeName));
  const taints = node === undefined ? [] : noExecute(node);
  if (taints.length === 0) return { actions: [] };
  const due = dueAt(taints, pod.spec?.tolerations ?? [], at.now);
  if (due === undefined) return { actions: [] };
  if (due > at.now) return { actions: [], requeueAfterMs: due - at.now };
  const { namespace, name, uid } = pod.metadata;
  return {
    actions: [
      { op: "delete", key, uid: uid as string, expect: pod.metadata.resourceVersion as string },
    ],
    events: [
      {
        regarding: { resource: "pods", namespace: namespace as string, name, uid: uid as string },
        type: "Normal",
        reason: "TaintManagerEviction",
        message: `Marking for deletion Pod ${namespace}/${name}`,
      },
    ],
    because: keyOf("nodes", "", nodeName),
    reason: `node ${nodeName} has ${taints.map((taint) => taint.key).join(", ")}`,
  };
}

function noExecute(node: Node): readonly Taint[] {
  return (node.spec?.taints ?? []).filter((taint) => taint.effect === "NoExecute");
}

/** When the pod has to go, milliseconds since the epoch; undefined: it may stay. */
function dueAt(
  taints: readonly Taint[],
  tolerations: readonly Toleration[],
  now: number,
): number | undefined {
  const limits: number[] = [];
  for (const taint of taints) {
    const matching = tolerations.filter((toleration) => tolerates(toleration, taint));
    if (matching.length === 0) return now;
    const seconds = matching.flatMap(({ tolerationSeconds }) => tolerationSeconds ?? []);
    if (seconds.length === 0) continue;
    const since = parseTime(taint.timeAdded) ?? now;
    limits.push(since + Math.max(0, Math.min(...seconds)) * 1000);
  }
  return limits.length === 0 ? undefined : Math.min(...limits);
}
