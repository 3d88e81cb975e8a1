import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  RbacV1Subject,
  Role,
  RoleBinding,
  RoleRef,
} from "../../../../shared/api/generated/types.ts";
import { keyOf } from "../../../../shared/api/key.ts";
import { labelSelectorOf } from "../../../../shared/api/selectors.ts";
import type { ProjectionReader } from "../../../../shared/store/view.ts";
import type { UserInfo } from "../../request.ts";

export const RBAC_GROUP = "rbac.authorization.k8s.io";
const ROLES = `roles.${RBAC_GROUP}`;
const ROLE_BINDINGS = `rolebindings.${RBAC_GROUP}`;
const CLUSTER_ROLES = `clusterroles.${RBAC_GROUP}`;
const CLUSTER_ROLE_BINDINGS = `clusterrolebindings.${RBAC_GROUP}`;

/** What one binding gives to one subject. */
export interface Grant {
  readonly rules: readonly PolicyRule[];
  /** How messages name it. */
  readonly by: string;
}

type Grants = Map<string, Grant[]>;

/** The rules of all bindings by subject, rebuilt per namespace when something in it changed. */
export class RuleIndex {
  readonly #projection: ProjectionReader;
  #cluster: Grants | undefined;
  readonly #namespaces = new Map<string, Grants>();
  readonly #clusterRules = new Map<string, readonly PolicyRule[] | undefined>();
  /** Bindings whose role does not exist, by `namespace` (cluster-wide: ""). */
  readonly #missing = new Map<string, Map<string, string[]>>();

  constructor(projection: ProjectionReader) {
    this.#projection = projection;
    projection.subscribe(CLUSTER_ROLES, () => this.#forgetAll());
    projection.subscribe(CLUSTER_ROLE_BINDINGS, () => {
      this.#cluster = undefined;
    });
    const forget = (change: { entry: { namespace: string } }) =>
      void this.#namespaces.delete(change.entry.namespace);
    projection.subscribe(ROLES, forget);
    projection.subscribe(ROLE_BINDINGS, forget);
  }

  /** The user's grants that count in the namespace ("": cluster-wide ones only). */
  *grantsOf(user: UserInfo, namespace: string): Generator<Grant> {
    const keys = subjectKeys(user);
    const cluster = this.#clusterGrants();
    for (const key of keys) yield* cluster.get(key) ?? [];
    if (namespace === "") return;
    const local = this.#namespaceGrants(namespace);
    for (const key of keys) yield* local.get(key) ?? [];
  }

  /** Messages about roles that are bound to the user but do not exist. */
  problemsOf(user: UserInfo, namespace: string): string[] {
    const scopes = namespace === "" ? [""] : ["", namespace];
    return scopes.flatMap((scope) =>
      subjectKeys(user).flatMap((key) => this.#missing.get(scope)?.get(key) ?? []),
    );
  }

  /** The rules behind a reference; undefined when there is no such role. */
  rulesOf(reference: RoleRef, namespace: string): readonly PolicyRule[] | undefined {
    if (reference.kind === "ClusterRole") return this.#rulesOfClusterRole(reference.name);
    const entry = this.#projection.get(keyOf(ROLES, namespace, reference.name));
    return entry === undefined ? undefined : ((entry.object as Role).rules ?? []);
  }

  #forgetAll(): void {
    this.#cluster = undefined;
    this.#namespaces.clear();
    this.#clusterRules.clear();
    this.#missing.clear();
  }

  #clusterGrants(): Grants {
    if (this.#cluster === undefined) {
      const entries = this.#projection.list(CLUSTER_ROLE_BINDINGS);
      this.#cluster = this.#collect(
        "",
        entries.map(({ object }) => object as ClusterRoleBinding),
      );
    }
    return this.#cluster;
  }

  #namespaceGrants(namespace: string): Grants {
    let grants = this.#namespaces.get(namespace);
    if (grants === undefined) {
      const entries = this.#projection.list(ROLE_BINDINGS, namespace);
      grants = this.#collect(
        namespace,
        entries.map(({ object }) => object as RoleBinding),
      );
      this.#namespaces.set(namespace, grants);
    }
    return grants;
  }

  #collect(namespace: string, bindings: readonly (ClusterRoleBinding | RoleBinding)[]): Grants {
    const grants: Grants = new Map();
    const missing = new Map<string, string[]>();
    for (const binding of bindings) {
      const rules = this.rulesOf(binding.roleRef, namespace);
      for (const subject of binding.subjects ?? []) {
        const key = subjectKey(subject, namespace);
        if (rules === undefined) append(missing, key, roleMissing(binding.roleRef));
        else append(grants, key, { rules, by: describe(binding, subject, namespace) });
      }
    }
    this.#missing.set(namespace, missing);
    return grants;
  }

  /**
   * An aggregated role has the rules of all roles that its selectors find, which may be aggregated
   * themselves; `within` holds those being resolved, so that a circle ends.
   */
  #rulesOfClusterRole(name: string, within = new Set<string>()): readonly PolicyRule[] | undefined {
    if (this.#clusterRules.has(name)) return this.#clusterRules.get(name);
    const entry = this.#projection.get(keyOf(CLUSTER_ROLES, "", name));
    const role = entry?.object as ClusterRole | undefined;
    let rules = role === undefined ? undefined : (role.rules ?? []);
    const selectors = role?.aggregationRule?.clusterRoleSelectors ?? [];
    if (selectors.length > 0) {
      const matchers = selectors.map((selector) => labelSelectorOf(selector));
      within.add(name);
      rules = this.#projection
        .list(CLUSTER_ROLES)
        .filter((one) => !within.has(one.name))
        .filter(({ object }) => matchers.some((matcher) => matcher.matches(object)))
        .flatMap((one) => this.#rulesOfClusterRole(one.name, within) ?? []);
      within.delete(name);
    }
    // Within a circle the rules are not complete
    if (within.size === 0) this.#clusterRules.set(name, rules);
    return rules;
  }
}

/** The keys under which a user's grants are found. */
function subjectKeys(user: UserInfo): string[] {
  return [`u:${user.username}`, ...user.groups.map((group) => `g:${group}`)];
}

function subjectKey(subject: RbacV1Subject, namespace: string): string {
  if (subject.kind === "Group") return `g:${subject.name}`;
  if (subject.kind === "User") return `u:${subject.name}`;
  return `u:system:serviceaccount:${subject.namespace || namespace}:${subject.name}`;
}

function describe(
  binding: ClusterRoleBinding | RoleBinding,
  subject: RbacV1Subject,
  namespace: string,
): string {
  const kind = namespace === "" ? "ClusterRoleBinding" : "RoleBinding";
  const name = namespace === "" ? binding.metadata.name : `${binding.metadata.name}/${namespace}`;
  const who =
    subject.kind === "ServiceAccount"
      ? `${subject.name}/${subject.namespace || namespace}`
      : subject.name;
  const role = `${binding.roleRef.kind} ${JSON.stringify(binding.roleRef.name)}`;
  return `${kind} ${JSON.stringify(name)} of ${role} to ${subject.kind} ${JSON.stringify(who)}`;
}

function roleMissing(reference: RoleRef): string {
  const kind = reference.kind.toLowerCase();
  return `${kind}.${RBAC_GROUP} ${JSON.stringify(reference.name)} not found`;
}

function append<V>(map: Map<string, V[]>, key: string, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
