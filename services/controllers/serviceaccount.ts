/** Service account controller: every active namespace has a ServiceAccount named `default`. */

import type { Controller, Snapshot } from "../../shared/actor/controller.ts";
import type { Plan } from "../../shared/actor/plan.ts";
import type { Namespace } from "../../shared/api/generated/types.ts";
import { keyOf } from "../../shared/api/key.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { Key } from "../../shared/store/store.ts";

const NAME = "default";

export const serviceaccount: Controller = {
  name: "serviceaccount",
  version: 1,
  primary: "namespaces",
  wakes: { serviceaccounts: wokenByDeletion },
  reconcile,
};

function wokenByDeletion(
  object: KubernetesObject | undefined,
  old: KubernetesObject | undefined,
): readonly Key[] {
  const gone = object === undefined && old?.metadata.name === NAME;
  return gone ? [keyOf("namespaces", "", old.metadata.namespace as string)] : [];
}

export function reconcile(key: Key, at: Snapshot): Plan {
  const ns = at.getKey<Namespace>(key);
  if (ns === undefined || ns.metadata.deletionTimestamp !== undefined) return { actions: [] };
  const { name: namespace } = ns.metadata;
  if (at.get("serviceaccounts", namespace, NAME) !== undefined) return { actions: [] };
  const object = {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: NAME, namespace },
  };
  return {
    actions: [{ op: "create", key: keyOf("serviceaccounts", namespace, NAME), object }],
    reason: "the namespace has no default service account",
  };
}
