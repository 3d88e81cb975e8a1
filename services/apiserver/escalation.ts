import { forbidden, notFound } from "../../shared/api/errors.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { Asked } from "./decided.ts";
import type { Draft } from "./draft.ts";
import { equalJson } from "./json.ts";

const GROUP = "rbac.authorization.k8s.io";

/**
 * Refuses a role or binding by which its writer would give more than he has.
 * @throws StatusError Forbidden, NotFound (the role that is bound)
 */
export function checkEscalation(
  draft: Draft,
  asked: Asked,
  object: KubernetesObject,
  old: KubernetesObject | undefined,
): void {
  const { table, user } = asked;
  if (table.group !== GROUP) return;
  const { authorizer } = draft.context;
  const binding = table.plural.endsWith("bindings");
  if (binding && old && sameBinding(object, old)) return;
  const problem = binding
    ? authorizer.bindingEscalation?.(user, object.roleRef, asked.namespace)
    : authorizer.roleEscalation?.(user, object, old);
  if (problem === undefined) return;
  if (problem.reason === "NotFound") {
    throw notFound({ group: GROUP, plural: problem.resource }, problem.name);
  }
  throw forbidden(table, object.metadata.name, problem.message);
}

function sameBinding(next: KubernetesObject, old: KubernetesObject): boolean {
  return equalJson(next.subjects, old.subjects) && equalJson(next.roleRef, old.roleRef);
}
