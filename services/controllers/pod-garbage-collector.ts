/** Pod garbage collector: pods whose node is gone, or that were deleted before they got one. */

import type { Controller, Snapshot } from "../../shared/actor/controller.ts";
import type { Plan } from "../../shared/actor/plan.ts";
import type { Pod } from "../../shared/api/generated/types.ts";
import { keyOf } from "../../shared/api/key.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { Key } from "../../shared/store/store.ts";
import { podKey } from "./lib/pods.ts";

export const podGarbageCollector: Controller = {
  name: "pod-garbage-collector",
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
  if (object !== undefined || old === undefined) return [];
  return at.onNode<Pod>(old.metadata.name).map(podKey);
}

export function reconcile(key: Key, at: Snapshot): Plan {
  const pod = at.getKey<Pod>(key);
  if (pod === undefined) return { actions: [] };
  const node = pod.spec?.nodeName;
  const unbound = !node && pod.metadata.deletionTimestamp !== undefined;
  const nodeGone = !!node && at.getKey(keyOf("nodes", "", node)) === undefined;
  if (!unbound && !nodeGone) return { actions: [] };
  const { uid, resourceVersion } = pod.metadata;
  return {
    actions: [
      {
        op: "delete",
        key,
        uid: uid as string,
        expect: resourceVersion as string,
        gracePeriodSeconds: 0,
      },
    ],
    ...(nodeGone ? { because: keyOf("nodes", "", node) } : {}),
    reason: nodeGone ? `its node ${node} does not exist` : "deleted before it was bound",
  };
}
