import type { PolicyRule } from "../../../shared/api/generated/types.ts";

/** Verbs as rules list them. */
export const READ = ["get", "list", "watch"] as const;
export const WRITE = ["create", "delete", "deletecollection", "patch", "update"] as const;
export const READ_WRITE = [...READ, ...WRITE] as const;

/** A rule for resources, written as blank-separated lists; the core group is `core`. */
export function rule(verbs: string | readonly string[], groups: string, resources: string) {
  return {
    apiGroups: groups.split(" ").map((group) => (group === "core" ? "" : group)),
    resources: resources.split(" "),
    verbs: typeof verbs === "string" ? verbs.split(" ") : [...verbs],
  } satisfies PolicyRule;
}

/** A rule for paths. */
export function pathRule(verbs: string, ...nonResourceURLs: readonly string[]): PolicyRule {
  return { nonResourceURLs: [...nonResourceURLs], verbs: verbs.split(" ") };
}

/** What whoever reports Events needs. */
export const EVENTS: PolicyRule = rule("create patch update", "core events.k8s.io", "events");

/** Roles by name. */
export type RoleTable = Readonly<Record<string, readonly PolicyRule[]>>;
