import type { ClusterRole, PolicyRule, RoleRef } from "../../../shared/api/generated/types.ts";
import type { ProjectionReader } from "../../../shared/store/view.ts";
import type { AuthorizationAttributes, Authorizer, UserInfo } from "../request.ts";
import { RBAC_GROUP, RuleIndex } from "./rbac/index.ts";
import { NodeAuthorizer, nodeOf } from "./rbac/node.ts";
import { describeRules, missingRules, ruleAllows } from "./rbac/rules.ts";

const MASTERS = "system:masters";

/** What `SelfSubjectRulesReview` answers (its status). */
export interface UserRules {
  readonly resourceRules: readonly PolicyRule[];
  readonly nonResourceRules: readonly PolicyRule[];
  readonly incomplete: boolean;
  readonly evaluationError?: string;
}

/** Why a role or binding may not be written. */
export type Escalation =
  | { readonly reason: "Forbidden"; message: string }
  | { readonly reason: "NotFound"; resource: "roles" | "clusterroles"; name: string };

/**
 * Who may do what: `system:masters` everything, node agents by the rules for nodes, everybody by
 * the roles bound to them (RBAC). Reads the cluster's projection; a change of a role or binding
 * counts from the moment that the projection shows it.
 */
export class RbacAuthorizer implements Authorizer {
  readonly #index: RuleIndex;
  readonly #nodes: NodeAuthorizer;

  constructor(cluster: ProjectionReader) {
    this.#index = new RuleIndex(cluster);
    this.#nodes = new NodeAuthorizer(cluster);
  }

  authorize(request: AuthorizationAttributes): { allowed: boolean; reason: string } {
    const { user } = request;
    if (user.groups.includes(MASTERS)) return { allowed: true, reason: "" };
    const node = nodeOf(user);
    let reason = "";
    if (node !== undefined) {
      const decision = this.#nodes.authorize(node, request);
      if (decision.allowed) return decision;
      reason = decision.reason;
    }
    const namespace = request.path === undefined ? request.namespace : "";
    for (const grant of this.#index.grantsOf(user, namespace)) {
      for (const rule of grant.rules) {
        if (ruleAllows(request, rule)) {
          return { allowed: true, reason: `RBAC: allowed by ${grant.by}` };
        }
      }
    }
    const problems = [...new Set(this.#index.problemsOf(user, namespace))];
    if (problems.length === 0) return { allowed: false, reason };
    const text = problems.length === 1 ? problems[0] : `[${problems.join(", ")}]`;
    const rbac = `RBAC: ${text}`;
    return { allowed: false, reason: reason === "" ? rbac : `${reason}, ${rbac}` };
  }

  /** All rules that count for the user in the namespace. */
  rulesFor(user: UserInfo, namespace: string): UserRules {
    const rules = this.#heldRules(user, namespace);
    const isNode = nodeOf(user) !== undefined;
    return {
      resourceRules: rules.filter(({ resources }) => resources?.length),
      nonResourceRules: rules.filter(({ nonResourceURLs }) => nonResourceURLs?.length),
      incomplete: isNode,
      ...(isNode
        ? { evaluationError: "node authorizer does not support user rule resolution" }
        : {}),
    };
  }

  /**
   * Whether the user may write a role with these rules: nobody gives what he does not hold, unless
   * he has the verb `escalate` on the role. `old` is the role before an update.
   * @returns undefined when he may.
   */
  roleEscalation(
    user: UserInfo,
    role: RoleContent,
    old: RoleContent | undefined,
  ): Escalation | undefined {
    const cluster = role.kind === "ClusterRole";
    if (old !== undefined && sameRules(role, old)) return undefined;
    const namespace = cluster ? "" : (role.metadata.namespace ?? "");
    const resource = cluster ? "clusterroles" : "roles";
    if (this.#holdsVerb(user, "escalate", resource, namespace, role.metadata.name)) {
      return undefined;
    }
    const rules = role.aggregationRule === undefined ? (role.rules ?? []) : EVERYTHING;
    return this.#beyond(user, namespace, rules);
  }

  /**
   * Whether the user may bind the role: he holds all of its rules, or the verb `bind` on it.
   * @returns undefined when he may.
   */
  bindingEscalation(user: UserInfo, roleRef: RoleRef, namespace: string): Escalation | undefined {
    if (user.groups.includes(MASTERS)) return undefined;
    const resource = roleRef.kind === "ClusterRole" ? "clusterroles" : "roles";
    if (this.#holdsVerb(user, "bind", resource, namespace, roleRef.name)) return undefined;
    const rules = this.#index.rulesOf(roleRef, namespace);
    if (rules === undefined) return { reason: "NotFound", resource, name: roleRef.name };
    return this.#beyond(user, namespace, rules);
  }

  #holdsVerb(
    user: UserInfo,
    verb: string,
    resource: string,
    namespace: string,
    name: string,
  ): boolean {
    const request = { user, verb, group: RBAC_GROUP, resource, subresource: "", namespace, name };
    return this.authorize(request).allowed;
  }

  #beyond(user: UserInfo, namespace: string, rules: readonly PolicyRule[]): Escalation | undefined {
    if (user.groups.includes(MASTERS)) return undefined;
    const missing = missingRules(this.#heldRules(user, namespace), rules);
    if (missing.length === 0) return undefined;
    const groups = user.groups.map((group) => JSON.stringify(group)).join(" ");
    const message =
      `user ${JSON.stringify(user.username)} (groups=[${groups}]) is attempting to grant RBAC ` +
      `permissions not currently held:\n${describeRules(missing).join("\n")}`;
    const problems = this.#index.problemsOf(user, namespace);
    if (problems.length === 0) return { reason: "Forbidden", message };
    return {
      reason: "Forbidden",
      message: `${message}; resolution errors: [${problems.join(", ")}]`,
    };
  }

  #heldRules(user: UserInfo, namespace: string): PolicyRule[] {
    return [...this.#index.grantsOf(user, namespace)].flatMap(({ rules }) => rules);
  }
}

type RoleContent = Pick<ClusterRole, "kind" | "metadata" | "rules" | "aggregationRule">;

const EVERYTHING: readonly PolicyRule[] = [
  { apiGroups: ["*"], resources: ["*"], verbs: ["*"] },
  { nonResourceURLs: ["*"], verbs: ["*"] },
];

function sameRules(one: RoleContent, other: RoleContent): boolean {
  const text = (role: RoleContent) =>
    JSON.stringify([role.rules ?? [], role.aggregationRule ?? null]);
  return text(one) === text(other);
}
