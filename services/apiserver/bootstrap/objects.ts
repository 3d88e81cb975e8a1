import type { RbacV1Subject } from "../../../shared/api/generated/types.ts";
import { keyOf } from "../../../shared/api/key.ts";
import type { KubernetesObject, ObjectMeta } from "../../../shared/api/object.ts";
import type { Key } from "../../../shared/store/store.ts";
import { CONTROLLER_ROLES } from "./controller-roles.ts";
import type { RoleTable } from "./rules.ts";
import { KUBE_SYSTEM_ROLES, SYSTEM_ROLES } from "./system-roles.ts";
import { ADMIN_ROLE, EDIT_ROLE, VIEW_ROLE } from "./user-roles.ts";

/** An object that every cluster has. */
export interface Wanted {
  readonly key: Key;
  readonly object: KubernetesObject;
}

const GROUP = "rbac.authorization.k8s.io";
const API_VERSION = `${GROUP}/v1`;
/** Set to "false" on a role or binding, it is left as it is. */
export const AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate";
const AGGREGATE = "rbac.authorization.k8s.io/aggregate-to";

/** The objects that every cluster has, in an order in which they can be created. */
export function bootstrapObjects(): Wanted[] {
  return [
    ...["default", "kube-system", "kube-public", "kube-node-lease"].map(namespace),
    ...clusterRoles(SYSTEM_ROLES),
    ...clusterRoles(ADMIN_ROLE, { [`${AGGREGATE}-admin`]: "true" }),
    ...clusterRoles(EDIT_ROLE, { [`${AGGREGATE}-edit`]: "true" }),
    ...clusterRoles(VIEW_ROLE, { [`${AGGREGATE}-view`]: "true" }),
    ...AGGREGATED.map(([name, labels, of]) => aggregated(name, labels, of)),
    ...clusterRoles(prefixed(CONTROLLER_ROLES)),
    ...Object.keys(prefixed(CONTROLLER_ROLES)).map((name) => clusterBinding(name, user(name))),
    ...BINDINGS.map(([role, ...subjects]) => clusterBinding(role, ...subjects)),
    ...Object.entries(KUBE_SYSTEM_ROLES).map(([name, rules]) => ({
      key: keyOf(`roles.${GROUP}`, "kube-system", name),
      object: { ...head("Role", name, {}, "kube-system"), rules: [...rules] },
    })),
    binding("system:kube-dns", "kube-system", user("system:kube-dns")),
  ];
}

/** The roles of users: a name, its own labels, and what it is the sum of. */
const AGGREGATED: readonly [string, Record<string, string>, string][] = [
  ["admin", {}, "admin"],
  ["edit", { [`${AGGREGATE}-admin`]: "true" }, "edit"],
  ["view", { [`${AGGREGATE}-edit`]: "true" }, "view"],
];

const BINDINGS: readonly [string, ...RbacV1Subject[]][] = [
  ["cluster-admin", group("system:masters")],
  ["system:discovery", group("system:authenticated")],
  ["system:basic-user", group("system:authenticated")],
  ["system:public-info-viewer", group("system:authenticated"), group("system:unauthenticated")],
  ["system:monitoring", group("system:monitoring")],
  ["system:service-account-issuer-discovery", group("system:serviceaccounts")],
  ["system:node-proxier", user("system:kube-proxy")],
  ["system:kube-dns", user("system:kube-dns")],
  ["system:kube-scheduler", user("system:kube-scheduler")],
];

function namespace(name: string): Wanted {
  const object = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
  return { key: keyOf("namespaces", "", name), object };
}

function clusterRoles(table: RoleTable, labels: Record<string, string> = {}): Wanted[] {
  return Object.entries(table).map(([name, rules]) => ({
    key: keyOf(`clusterroles.${GROUP}`, "", name),
    object: { ...head("ClusterRole", name, labels), rules: [...rules] },
  }));
}

/** Its rules are shown as they are at first; what counts is what the selector finds. */
function aggregated(name: string, labels: Record<string, string>, of: string): Wanted {
  const parts = { admin: [ADMIN_ROLE, EDIT_ROLE, VIEW_ROLE], edit: [EDIT_ROLE, VIEW_ROLE] };
  const tables = parts[name as keyof typeof parts] ?? [VIEW_ROLE];
  const rules = tables.flatMap((table) => Object.values(table).flat());
  const selector = { matchLabels: { [`${AGGREGATE}-${of}`]: "true" } };
  return {
    key: keyOf(`clusterroles.${GROUP}`, "", name),
    object: {
      ...head("ClusterRole", name, labels),
      aggregationRule: { clusterRoleSelectors: [selector] },
      rules,
    },
  };
}

function clusterBinding(role: string, ...subjects: RbacV1Subject[]): Wanted {
  return {
    key: keyOf(`clusterrolebindings.${GROUP}`, "", role),
    object: {
      ...head("ClusterRoleBinding", role),
      roleRef: { apiGroup: GROUP, kind: "ClusterRole", name: role },
      subjects,
    },
  };
}

function binding(role: string, within: string, ...subjects: RbacV1Subject[]): Wanted {
  return {
    key: keyOf(`rolebindings.${GROUP}`, within, role),
    object: {
      ...head("RoleBinding", role, {}, within),
      roleRef: { apiGroup: GROUP, kind: "Role", name: role },
      subjects,
    },
  };
}

function head(kind: string, name: string, labels: Record<string, string> = {}, within?: string) {
  const metadata: ObjectMeta = {
    name,
    ...(within === undefined ? {} : { namespace: within }),
    labels: { "kubernetes.io/bootstrapping": "rbac-defaults", ...labels },
    annotations: { [AUTOUPDATE]: "true" },
  };
  return { apiVersion: API_VERSION, kind, metadata };
}

function user(name: string): RbacV1Subject {
  return { apiGroup: GROUP, kind: "User", name };
}

function group(name: string): RbacV1Subject {
  return { apiGroup: GROUP, kind: "Group", name };
}

function prefixed(table: RoleTable): RoleTable {
  return Object.fromEntries(
    Object.entries(table).map(([name, rules]) => [`system:controller:${name}`, rules]),
  );
}
