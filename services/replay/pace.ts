import type { Action, Plan } from "../../shared/actor/plan.ts";
import { resourceOfKey } from "../../shared/api/key.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { View } from "../../shared/store/view.ts";

/**
 * How many pods a plan creates, deletes, asks for or gives up: how fast a rollout goes on. `before`
 * is the state that the plan was decided on.
 */
export function podsMoved({ actions }: Plan, before: View): number {
  return actions.reduce((sum, action) => sum + movedBy(action, before), 0);
}

function movedBy(action: Action, before: View): number {
  switch (action.op) {
    case "delete":
    case "evict":
      return isPod(action) ? 1 : 0;
    case "create":
      return isPod(action) ? 1 : (replicasOf(action.object) ?? 0);
    case "update":
      return stepTo(replicasOf(action.object), action, before);
    case "patch":
      return stepTo(replicasOf(action.patch), action, before);
    case "bind":
      return 0;
  }
}

function stepTo(replicas: number | undefined, { key }: Action, before: View): number {
  const old = before.get(key)?.object;
  if (replicas === undefined || old === undefined) return 0;
  return Math.abs(replicas - (replicasOf(old) ?? 0));
}

function isPod({ key }: Action): boolean {
  return resourceOfKey(key) === "pods";
}

function replicasOf(object: KubernetesObject | Readonly<Record<string, unknown>>) {
  const replicas: unknown = (object as KubernetesObject)["spec"]?.replicas;
  return typeof replicas === "number" ? replicas : undefined;
}
