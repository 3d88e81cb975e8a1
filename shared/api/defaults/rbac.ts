import type { RoleBinding } from "../generated/types.ts";
import type { KubernetesObject } from "../object.ts";

const RBAC_GROUP = "rbac.authorization.k8s.io";

/** Both kinds of bindings. */
export function bindingDefaults(object: KubernetesObject): void {
  const { roleRef, subjects } = object as RoleBinding;
  if (roleRef) roleRef.apiGroup ||= RBAC_GROUP;
  for (const subject of subjects ?? []) {
    if (subject.kind === "User" || subject.kind === "Group") subject.apiGroup ||= RBAC_GROUP;
  }
}
