import type { RoleBinding } from "../../../shared/api/generated/types.ts";
import { AGE, age, column, NAME, type Printer, wide } from "./column.ts";

/** RoleBindings and ClusterRoleBindings alike. */
export const bindings: Printer<RoleBinding> = {
  columns: [
    NAME,
    column("Role", "string", "The role that is granted."),
    AGE,
    wide("Users", "string", "Users who have the role."),
    wide("Groups", "string", "Groups that have the role."),
    wide("ServiceAccounts", "string", "Service accounts that have the role."),
  ],
  cells(binding, now) {
    return [
      binding.metadata.name,
      `${binding.roleRef.kind}/${binding.roleRef.name}`,
      age(binding, now),
      subjects(binding, "User"),
      subjects(binding, "Group"),
      subjects(binding, "ServiceAccount"),
    ];
  },
};

function subjects(binding: RoleBinding, kind: string): string {
  return (binding.subjects ?? [])
    .filter((subject) => subject.kind === kind)
    .map(({ name, namespace }) => (kind === "ServiceAccount" ? `${namespace ?? ""}/${name}` : name))
    .join(", ");
}
