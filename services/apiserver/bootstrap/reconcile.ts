import type { Action } from "../../../shared/actor/plan.ts";
import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  RbacV1Subject,
} from "../../../shared/api/generated/types.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import type { View } from "../../../shared/store/view.ts";
import { missingRules } from "../auth/rbac/rules.ts";
import { AUTOUPDATE, type Wanted } from "./objects.ts";

/**
 * What brings a cluster's standing objects to what is wanted: those that are missing are created,
 * roles get the rules that they lack, bindings the subjects. What somebody added stays, and what he
 * marked with autoupdate "false" is not touched.
 */
export function standingActions(wanted: readonly Wanted[], view: View): Action[] {
  return wanted.flatMap(({ key, object }): Action[] => {
    const entry = view.get(key);
    if (entry === undefined) return [{ op: "create", key, object }];
    const present = entry.object;
    if (object.kind === "Namespace") return [];
    if (present.metadata.annotations?.[AUTOUPDATE] === "false") return [];
    if (present["roleRef"] !== undefined && !sameRole(present, object)) {
      // The role of a binding cannot be changed; the next round creates it anew
      return [{ op: "delete", key, uid: present.metadata.uid ?? "" }];
    }
    const next = completed(present, object);
    if (next === undefined) return [];
    return [{ op: "update", key, object: next, expect: String(entry.revision) }];
  });
}

/** The present object with what it lacks; undefined when it lacks nothing. */
function completed(
  present: KubernetesObject,
  wanted: KubernetesObject,
): KubernetesObject | undefined {
  const lacking: Partial<ClusterRole & ClusterRoleBinding> = {};
  const { labels = {}, annotations = {} } = wanted.metadata;
  const metadata = {
    ...present.metadata,
    labels: { ...labels, ...present.metadata.labels },
    annotations: { ...annotations, ...present.metadata.annotations },
  };
  if (
    size(metadata.labels) > size(present.metadata.labels) ||
    size(metadata.annotations) > size(present.metadata.annotations)
  ) {
    lacking.metadata = metadata;
  }
  if (wanted["aggregationRule"] !== undefined) {
    if (present["aggregationRule"] === undefined) {
      lacking.aggregationRule = wanted["aggregationRule"];
    }
  } else if (wanted["rules"] !== undefined) {
    const rules: PolicyRule[] = present["rules"] ?? [];
    const missing = (wanted["rules"] as PolicyRule[]).filter(
      (rule) => missingRules(rules, [rule]).length > 0,
    );
    if (missing.length > 0) lacking.rules = [...rules, ...missing];
  }
  if (wanted["subjects"] !== undefined) {
    const subjects: RbacV1Subject[] = present["subjects"] ?? [];
    const missing = (wanted["subjects"] as RbacV1Subject[]).filter(
      (subject) => !subjects.some((one) => sameSubject(one, subject)),
    );
    if (missing.length > 0) lacking.subjects = [...subjects, ...missing];
  }
  return Object.keys(lacking).length === 0 ? undefined : { ...present, ...lacking };
}

function sameRole(one: KubernetesObject, other: KubernetesObject): boolean {
  return (
    one["roleRef"].kind === other["roleRef"].kind && one["roleRef"].name === other["roleRef"].name
  );
}

function sameSubject(one: RbacV1Subject, other: RbacV1Subject): boolean {
  return (
    one.kind === other.kind &&
    one.name === other.name &&
    (one.namespace ?? "") === (other.namespace ?? "")
  );
}

function size(record: Readonly<Record<string, string>> | undefined): number {
  return Object.keys(record ?? {}).length;
}
