import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { RbacAuthorizer } from "../../services/apiserver/auth/authorize.ts";
import type { UserInfo } from "../../services/apiserver/request.ts";
import type { PolicyRule } from "../../shared/api/generated/types.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { clusterOf } from "./fixture.ts";

const GROUP = "rbac.authorization.k8s.io";

interface Written {
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly labels?: Record<string, string>;
  readonly rules?: PolicyRule[];
  readonly aggregate?: Record<string, string>;
  readonly role?: string;
  readonly subjects?: string[];
  readonly spec?: object;
}

interface Case {
  readonly name: string;
  readonly objects: Written[];
  readonly may?: string[];
  readonly mayNot?: string[];
}

const cases: Case[] = parse(readFileSync(new URL("rbac.yaml", import.meta.url), "utf8"));

describe.each(cases)("$name", ({ objects, may = [], mayNot = [] }) => {
  const authorizer = authorizerOf(objects);
  test.each(may)("%s", async (line) => {
    expect((await authorizer).authorize(attributesOf(line)).allowed).toBe(true);
  });
  test.each(mayNot)("not: %s", async (line) => {
    expect((await authorizer).authorize(attributesOf(line)).allowed).toBe(false);
  });
});

const READER: Written = {
  kind: "ClusterRole",
  name: "reader",
  rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] }],
};

test("reasons name the binding, or the role that is missing", async () => {
  const authorizer = await authorizerOf([
    READER,
    binding({ kind: "ClusterRoleBinding", name: "all", role: "ClusterRole/reader" }, "User/ann"),
    binding({ kind: "RoleBinding", name: "b", namespace: "dev", role: "Role/gone" }, "User/bob"),
  ]);
  expect(authorizer.authorize(attributesOf("ann get pods dev/web")).reason).toBe(
    'RBAC: allowed by ClusterRoleBinding "all" of ClusterRole "reader" to User "ann"',
  );
  expect(authorizer.authorize(attributesOf("bob get pods dev/web")).reason).toBe(
    'RBAC: role.rbac.authorization.k8s.io "gone" not found',
  );
  expect(authorizer.authorize(attributesOf("eve get pods dev/web")).reason).toBe("");
  expect(
    authorizer.authorize(attributesOf("system:node:n1+system:nodes get nodes n2")).reason,
  ).toBe("node 'n1' cannot read 'n2', only its own Node object");
});

test("changes count at once", async () => {
  const { projection, put, remove } = await clusterOf([]);
  const authorizer = new RbacAuthorizer(projection);
  const allowed = () => authorizer.authorize(attributesOf("ann get pods dev/web")).allowed;
  expect(allowed()).toBe(false);
  const [roles, role] = objectOf(READER);
  await put(roles, role);
  const [bindings, bound] = objectOf(
    binding(
      { kind: "RoleBinding", name: "b", namespace: "dev", role: "ClusterRole/reader" },
      "User/ann",
    ),
  );
  await put(bindings, bound);
  expect(allowed()).toBe(true);
  await put(roles, { ...role, rules: [] });
  expect(allowed()).toBe(false);
  await put(roles, role);
  expect(allowed()).toBe(true);
  await remove(bindings, "dev", "b");
  expect(allowed()).toBe(false);
});

test("a selector of a list is taken into account", async () => {
  const authorizer = await authorizerOf([]);
  const list = attributesOf("system:node:n1+system:nodes list pods");
  const allowed = (fieldSelector: string) =>
    authorizer.authorize({ ...list, fieldSelector }).allowed;
  expect(allowed("spec.nodeName=n1")).toBe(true);
  expect(allowed("status.phase=Running,spec.nodeName==n1")).toBe(true);
  expect(allowed("spec.nodeName!=n1")).toBe(false);
  expect(allowed("spec.nodeName=n2")).toBe(false);
  expect(allowed("")).toBe(false);
});

describe("nobody gives away what he does not hold", () => {
  const objects: Written[] = [
    READER,
    {
      kind: "ClusterRole",
      name: "root",
      rules: [{ apiGroups: ["*"], resources: ["*"], verbs: ["*"] }],
    },
    {
      kind: "ClusterRole",
      name: "escalator",
      rules: [
        {
          apiGroups: [GROUP],
          resources: ["clusterroles"],
          verbs: ["bind"],
          resourceNames: ["root"],
        },
        { apiGroups: [GROUP], resources: ["clusterroles", "roles"], verbs: ["escalate"] },
      ],
    },
    binding({ kind: "ClusterRoleBinding", name: "1", role: "ClusterRole/reader" }, "User/ann"),
    binding({ kind: "ClusterRoleBinding", name: "2", role: "ClusterRole/escalator" }, "User/bob"),
  ];
  const role = (rules: PolicyRule[]) =>
    objectOf({ kind: "Role", namespace: "dev", name: "new", rules })[1];
  const pods: PolicyRule = { apiGroups: [""], resources: ["pods"], verbs: ["get"] };
  const more: PolicyRule = {
    apiGroups: [""],
    resources: ["pods", "secrets"],
    verbs: ["get", "delete"],
  };

  test("roles", async () => {
    const authorizer = await authorizerOf(objects);
    const check = (user: string, rules: PolicyRule[], old?: KubernetesObject) =>
      authorizer.roleEscalation(userOf(user), role(rules), old);
    expect(check("ann", [pods])).toBeUndefined();
    expect(check("ann", [{ ...pods, resourceNames: ["web"] }])).toBeUndefined();
    expect(check("ann+dev", [pods, more])).toEqual({
      reason: "Forbidden",
      message:
        'user "ann" (groups=["dev" "system:authenticated"]) is attempting to grant RBAC ' +
        "permissions not currently held:\n" +
        '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}\n' +
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete"]}',
    });
    expect(check("ann", [more], role([more]))).toBeUndefined();
    expect(check("bob", [more])).toBeUndefined();
    expect(check("root+system:masters", [more])).toBeUndefined();
    const aggregate = objectOf({ kind: "ClusterRole", name: "x", aggregate: { a: "b" } })[1];
    expect(authorizer.roleEscalation(userOf("ann"), aggregate, undefined)?.reason).toBe(
      "Forbidden",
    );
  });

  test("bindings", async () => {
    const authorizer = await authorizerOf(objects);
    const check = (user: string, name: string) =>
      authorizer.bindingEscalation(userOf(user), { kind: "ClusterRole", name }, "dev");
    expect(check("ann", "reader")).toBeUndefined();
    expect(check("ann", "root")?.reason).toBe("Forbidden");
    expect(check("bob", "root")).toBeUndefined();
    expect(check("bob", "reader")?.reason).toBe("Forbidden");
    expect(check("ann", "gone")).toEqual({
      reason: "NotFound",
      resource: "clusterroles",
      name: "gone",
    });
  });
});

test("the rules of a user", async () => {
  const authorizer = await authorizerOf([
    READER,
    { kind: "ClusterRole", name: "paths", rules: [{ nonResourceURLs: ["/x"], verbs: ["get"] }] },
    binding({ kind: "ClusterRoleBinding", name: "p", role: "ClusterRole/paths" }, "Group/team"),
    binding(
      { kind: "RoleBinding", namespace: "dev", name: "r", role: "ClusterRole/reader" },
      "User/ann",
    ),
  ]);
  expect(authorizer.rulesFor(userOf("ann+team"), "dev")).toEqual({
    resourceRules: READER.rules,
    nonResourceRules: [{ nonResourceURLs: ["/x"], verbs: ["get"] }],
    incomplete: false,
  });
  expect(authorizer.rulesFor(userOf("ann"), "prod").resourceRules).toEqual([]);
});

function binding(head: Omit<Written, "subjects">, ...subjects: string[]): Written {
  return { ...head, subjects };
}

async function authorizerOf(objects: readonly Written[]): Promise<RbacAuthorizer> {
  const { projection } = await clusterOf(objects.map(objectOf));
  return new RbacAuthorizer(projection);
}

function objectOf(written: Written): [string, KubernetesObject] {
  const { kind, namespace, name, labels, rules, aggregate, role, subjects, spec } = written;
  const plural = `${kind.toLowerCase()}s`;
  const [roleKind = "", roleName = ""] = role?.split("/") ?? [];
  return [
    kind === "Pod" ? plural : `${plural}.${GROUP}`,
    {
      apiVersion: kind === "Pod" ? "v1" : `${GROUP}/v1`,
      kind,
      metadata: {
        name,
        ...(namespace === undefined ? {} : { namespace }),
        ...(labels === undefined ? {} : { labels }),
      },
      ...(rules === undefined ? {} : { rules }),
      ...(aggregate === undefined
        ? {}
        : { aggregationRule: { clusterRoleSelectors: [{ matchLabels: aggregate }] } }),
      ...(role === undefined ? {} : { roleRef: { kind: roleKind, name: roleName } }),
      ...(subjects === undefined ? {} : { subjects: subjects.map(subjectOf) }),
      ...(spec === undefined ? {} : { spec }),
    },
  ];
}

function subjectOf(text: string) {
  const [kind = "", first = "", second] = text.split("/");
  return second === undefined ? { kind, name: first } : { kind, namespace: first, name: second };
}

function userOf(text: string): UserInfo {
  const [username = "", ...groups] = text.split("+");
  return { username, groups: [...groups, "system:authenticated"] };
}

function attributesOf(line: string) {
  const [who = "", verb = "", what = "", target = ""] = line.split(" ");
  const [typed = "", subresource = ""] = what.split("/");
  const dot = typed.indexOf(".");
  const [namespace = "", name = ""] = target.includes("/") ? target.split("/") : ["", target];
  return {
    user: userOf(who),
    verb,
    group: dot < 0 ? "" : typed.slice(dot + 1),
    resource: dot < 0 ? typed : typed.slice(0, dot),
    subresource,
    namespace,
    name,
    ...(what.startsWith("/") ? { path: what } : {}),
  };
}
