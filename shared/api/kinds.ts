import type { GroupResource } from "./key.ts";
import type { KindTable, ObjectSchema, SubresourceTable } from "./schema.ts";
import { kindSchema } from "./schemas.ts";

const ALL_VERBS = [
  "create",
  "delete",
  "deletecollection",
  "get",
  "list",
  "patch",
  "update",
  "watch",
];
const REVIEW_VERBS = ["create"];
const EDIT = ["get", "patch", "update"];

/** What a row says; the rest follows from it or is usual. */
interface Row {
  readonly group?: string;
  readonly version?: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular?: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly namespaced?: boolean;
  readonly verbs?: readonly string[];
  readonly subresources?: readonly SubresourceTable[];
  readonly log?: KindTable["log"];
  readonly storedAs?: GroupResource;
  readonly fieldSelectors?: readonly string[];
}

function subresource(
  name: string,
  kind: string,
  verbs: readonly string[],
  group = "",
  version = "v1",
): SubresourceTable {
  return { name, group, version, kind, verbs };
}

function status(kind: string, group = ""): SubresourceTable {
  return subresource("status", kind, EDIT, group);
}

const SCALE = subresource("scale", "Scale", EDIT, "autoscaling");

const POD_SUBRESOURCES = [
  subresource("attach", "PodAttachOptions", ["create", "get"]),
  subresource("binding", "Binding", ["create"]),
  subresource("ephemeralcontainers", "Pod", EDIT),
  subresource("eviction", "Eviction", ["create"], "policy"),
  subresource("exec", "PodExecOptions", ["create", "get"]),
  subresource("log", "Pod", ["get"]),
  subresource("portforward", "PodPortForwardOptions", ["create", "get"]),
  status("Pod"),
];

const EVENT_FIELDS = ["reason", "type"];
const REFERENCE = [
  "kind",
  "namespace",
  "name",
  "uid",
  "apiVersion",
  "resourceVersion",
  "fieldPath",
];

const CORE: readonly Row[] = [
  {
    kind: "ConfigMap",
    plural: "configmaps",
    shortNames: ["cm"],
  },
  { kind: "Endpoints", plural: "endpoints", singular: "endpoints", shortNames: ["ep"] },
  {
    kind: "Event",
    plural: "events",
    shortNames: ["ev"],
    log: "events",
    fieldSelectors: [
      ...REFERENCE.map((field) => `involvedObject.${field}`),
      ...EVENT_FIELDS,
      "reportingComponent",
      "source",
    ],
  },
  {
    kind: "Namespace",
    plural: "namespaces",
    shortNames: ["ns"],
    namespaced: false,
    verbs: ALL_VERBS.filter((verb) => verb !== "deletecollection"),
    subresources: [subresource("finalize", "Namespace", ["update"]), status("Namespace")],
    fieldSelectors: ["status.phase"],
  },
  {
    kind: "Node",
    plural: "nodes",
    shortNames: ["no"],
    namespaced: false,
    subresources: [status("Node")],
    fieldSelectors: ["spec.unschedulable"],
  },
  {
    kind: "Pod",
    plural: "pods",
    shortNames: ["po"],
    categories: ["all"],
    subresources: POD_SUBRESOURCES,
    fieldSelectors: [
      "spec.nodeName",
      "spec.restartPolicy",
      "spec.schedulerName",
      "spec.serviceAccountName",
      "spec.hostNetwork",
      "status.phase",
      "status.podIP",
      "status.podIPs",
      "status.nominatedNodeName",
    ],
  },
  { kind: "Secret", plural: "secrets", fieldSelectors: ["type"] },
  {
    kind: "ServiceAccount",
    plural: "serviceaccounts",
    shortNames: ["sa"],
    subresources: [subresource("token", "TokenRequest", ["create"], "authentication.k8s.io")],
  },
  {
    kind: "Service",
    plural: "services",
    shortNames: ["svc"],
    categories: ["all"],
    subresources: [status("Service")],
    fieldSelectors: ["spec.clusterIP", "spec.type"],
  },
];

const APPS = "apps";
const RBAC = "rbac.authorization.k8s.io";
const AUTHENTICATION = "authentication.k8s.io";
const AUTHORIZATION = "authorization.k8s.io";

const NAMED_GROUPS: readonly Row[] = [
  {
    group: APPS,
    kind: "Deployment",
    plural: "deployments",
    shortNames: ["deploy"],
    categories: ["all"],
    subresources: [SCALE, status("Deployment", APPS)],
  },
  {
    group: APPS,
    kind: "ReplicaSet",
    plural: "replicasets",
    shortNames: ["rs"],
    categories: ["all"],
    subresources: [SCALE, status("ReplicaSet", APPS)],
  },
  { group: "coordination.k8s.io", kind: "Lease", plural: "leases", log: "leases" },
  { group: "discovery.k8s.io", kind: "EndpointSlice", plural: "endpointslices" },
  {
    group: "events.k8s.io",
    kind: "Event",
    plural: "events",
    shortNames: ["ev"],
    log: "events",
    storedAs: "events",
    fieldSelectors: [
      ...REFERENCE.map((field) => `regarding.${field}`),
      ...EVENT_FIELDS,
      "reportingController",
    ],
  },
  { group: RBAC, kind: "ClusterRole", plural: "clusterroles", namespaced: false },
  { group: RBAC, kind: "ClusterRoleBinding", plural: "clusterrolebindings", namespaced: false },
  { group: RBAC, kind: "Role", plural: "roles" },
  { group: RBAC, kind: "RoleBinding", plural: "rolebindings" },
];

function review(group: string, kind: string, namespaced = false): Row {
  const plural = `${kind.toLowerCase()}s`;
  return { group, kind, plural, namespaced, verbs: REVIEW_VERBS, log: "none" };
}

const REVIEWS: readonly Row[] = [
  review(AUTHENTICATION, "SelfSubjectReview"),
  review(AUTHENTICATION, "TokenReview"),
  review(AUTHORIZATION, "LocalSubjectAccessReview", true),
  review(AUTHORIZATION, "SelfSubjectAccessReview"),
  review(AUTHORIZATION, "SelfSubjectRulesReview"),
  review(AUTHORIZATION, "SubjectAccessReview"),
];

/** A row completed with what is usual. The schema is read when it is first asked for. */
class BuiltInKind implements KindTable {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly listKind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
  readonly subresources: readonly SubresourceTable[];
  readonly log: KindTable["log"];
  declare readonly storedAs?: string;
  readonly fieldSelectors: readonly string[];

  constructor(row: Row) {
    this.group = row.group ?? "";
    this.version = row.version ?? "v1";
    this.kind = row.kind;
    this.listKind = `${row.kind}List`;
    this.plural = row.plural;
    this.singular = row.singular ?? row.kind.toLowerCase();
    this.shortNames = row.shortNames ?? [];
    this.categories = row.categories ?? [];
    this.namespaced = row.namespaced ?? true;
    this.verbs = row.verbs ?? ALL_VERBS;
    this.subresources = row.subresources ?? [];
    this.log = row.log ?? "cluster";
    if (row.storedAs !== undefined) this.storedAs = row.storedAs;
    this.fieldSelectors = row.fieldSelectors ?? [];
  }

  get schema(): ObjectSchema {
    return kindSchema(this.group, this.version, this.kind);
  }
}

/** Every built-in kind that is served. */
export const KINDS: readonly KindTable[] = [...CORE, ...NAMED_GROUPS, ...REVIEWS].map(
  (row) => new BuiltInKind(row),
);

/** `pods`, `deployments.apps`: the first segment of keys, and the resource in messages. */
export function groupResourceOf(table: Pick<KindTable, "group" | "plural">): GroupResource {
  return table.group ? `${table.plural}.${table.group}` : table.plural;
}

const byResource = new Map(KINDS.map((table) => [groupResourceOf(table), table]));
const byKind = new Map(
  KINDS.map((table) => [kindKey(table.group, table.version, table.kind), table]),
);

function kindKey(group: string, version: string, kind: string): string {
  return `${group}/${version}/${kind}`;
}

/** The table of `pods` or `deployments.apps`. */
export function kindByResource(resource: GroupResource): KindTable | undefined {
  return byResource.get(resource);
}

/** The log that holds the resource; `cluster` for resources that are not in a table. */
export function logOf(resource: GroupResource): "cluster" | "events" | "leases" {
  const log = kindByResource(resource)?.log;
  return log === "events" || log === "leases" ? log : "cluster";
}

export function kindOf(group: string, version: string, kind: string): KindTable | undefined {
  return byKind.get(kindKey(group, version, kind));
}

/** `v1`, `apps/v1` */
export function apiVersionOf(table: Pick<KindTable, "group" | "version">): string {
  return table.group ? `${table.group}/${table.version}` : table.version;
}

/** `apps/v1` to group and version; undefined when it is neither `v1` nor `group/v1`. */
export function parseApiVersion(
  apiVersion: string,
): { group: string; version: string } | undefined {
  const parts = apiVersion.split("/");
  if (parts.length === 1) return { group: "", version: parts[0] as string };
  if (parts.length !== 2) return undefined;
  return { group: parts[0] as string, version: parts[1] as string };
}

/** The table that an object or a reference to one belongs to, by its apiVersion and kind. */
export function kindOfObject(object: {
  readonly apiVersion?: string;
  readonly kind?: string;
}): KindTable | undefined {
  const parsed = parseApiVersion(object.apiVersion ?? "");
  return parsed && object.kind ? kindOf(parsed.group, parsed.version, object.kind) : undefined;
}
