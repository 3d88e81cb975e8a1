import type { PolicyRule, Role, RoleBinding } from "../generated/types.ts";
import type { KubernetesObject } from "../object.ts";
import { sameMeaning } from "./equal.ts";
import type { Findings } from "./findings.ts";
import { dnsSubdomain, pathSegment } from "./names.ts";

const RBAC_GROUP = "rbac.authorization.k8s.io";

type Subject = NonNullable<RoleBinding["subjects"]>[number];

export function validateRole(found: Findings, object: KubernetesObject): void {
  validateRules(found, (object as Role).rules, true);
}

export function validateClusterRole(found: Findings, object: KubernetesObject): void {
  validateRules(found, (object as Role).rules, false);
}

function validateRules(
  found: Findings,
  rules: readonly PolicyRule[] = [],
  namespaced: boolean,
): void {
  rules.forEach((rule, index) => {
    const at = `rules[${index}]`;
    const { apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule;
    if (!rule.verbs?.length) {
      found.required(`${at}.verbs`, "verbs must contain at least one value");
    }
    if (nonResourceURLs.length) {
      const field = `${at}.nonResourceURLs`;
      if (namespaced) {
        const words = "namespaced rules cannot apply to non-resource URLs";
        found.invalid(field, nonResourceURLs, words);
      }
      if (apiGroups.length || resources.length || resourceNames.length) {
        const words = "rules cannot apply to both regular resources and non-resource URLs";
        found.invalid(field, nonResourceURLs, words);
      }
      return;
    }
    if (!apiGroups.length) {
      found.required(`${at}.apiGroups`, "resource rules must supply at least one api group");
    }
    if (!resources.length) {
      found.required(`${at}.resources`, "resource rules must supply at least one resource");
    }
  });
}

export function validateRoleBinding(found: Findings, object: KubernetesObject): void {
  validateBinding(found, object as RoleBinding, true);
}

export function validateClusterRoleBinding(found: Findings, object: KubernetesObject): void {
  validateBinding(found, object as RoleBinding, false);
}

/** A binding of either kind: what it refers to stays. */
export function validateBindingUpdate(
  found: Findings,
  object: KubernetesObject,
  old: KubernetesObject,
): void {
  validateBinding(found, object as RoleBinding, object.kind === "RoleBinding");
  if (sameMeaning(object["roleRef"], old["roleRef"])) return;
  found.invalid("roleRef", object["roleRef"], "cannot change roleRef");
}

function validateBinding(found: Findings, binding: RoleBinding, namespaced: boolean): void {
  const { apiGroup = "", kind = "", name } = binding.roleRef ?? {};
  found.oneOf("roleRef.apiGroup", apiGroup, [RBAC_GROUP]);
  found.oneOf("roleRef.kind", kind, namespaced ? ["Role", "ClusterRole"] : ["ClusterRole"]);
  if (!name) found.required("roleRef.name");
  else found.invalidAll("roleRef.name", name, pathSegment(name));
  binding.subjects?.forEach((subject, index) => {
    validateSubject(found, `subjects[${index}]`, subject, namespaced);
  });
}

function validateSubject(found: Findings, at: string, subject: Subject, namespaced: boolean): void {
  const { kind, name, apiGroup = "", namespace } = subject;
  if (!name) found.required(`${at}.name`);
  switch (kind) {
    case "ServiceAccount":
      if (name) found.invalidAll(`${at}.name`, name, dnsSubdomain(name));
      if (apiGroup) found.oneOf(`${at}.apiGroup`, apiGroup, [""]);
      if (!namespaced && !namespace) found.required(`${at}.namespace`);
      return;
    case "User":
    case "Group":
      if (!name) found.invalid(`${at}.name`, "", `${kind.toLowerCase()} name cannot be empty`);
      found.oneOf(`${at}.apiGroup`, apiGroup, [RBAC_GROUP]);
      return;
    default:
      found.oneOf(`${at}.kind`, kind ?? "", ["ServiceAccount", "User", "Group"]);
  }
}
