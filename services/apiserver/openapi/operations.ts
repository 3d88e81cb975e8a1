import { apiVersionOf } from "../../../shared/api/kinds.ts";
import type { KindTable, SubresourceTable } from "../../../shared/api/schema.ts";
import { definitionOfKind } from "../../../shared/api/schemas.ts";
import type { GroupVersionKind } from "./schemas.ts";

/** One path of the API and what can be done with it, before OpenAPI writes it. */
export interface ApiPath {
  readonly path: string;
  /** `namespace`, `name` */
  readonly pathParameters: readonly string[];
  readonly operations: readonly Operation[];
}

export interface Operation {
  readonly method: "get" | "put" | "post" | "delete" | "patch";
  /** What Kubernetes calls it: list, get, post, put, patch, delete, deletecollection, connect. */
  readonly action: string;
  readonly id: string;
  readonly tag: string;
  readonly kind: GroupVersionKind;
  readonly parameters: readonly Parameter[];
  /** Definition of the body; undefined: none. */
  readonly body: string | undefined;
  readonly bodyRequired: boolean;
  readonly consumes: readonly string[];
  readonly produces: readonly string[];
  /** Definition of the answer; undefined: text. */
  readonly answer: string | undefined;
  /** Codes of success. */
  readonly codes: readonly string[];
}

export interface Parameter {
  readonly name: string;
  readonly type: "boolean" | "integer" | "string";
}

const META = "io.k8s.apimachinery.pkg.apis.meta.v1.";
const JSON_TYPE = "application/json";
const JSON_STREAM = "application/json;stream=watch";
const PATCH_TYPES = [
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
  "application/apply-patch+yaml",
];

const text = (name: string): Parameter => ({ name, type: "string" });
const flag = (name: string): Parameter => ({ name, type: "boolean" });
const count = (name: string): Parameter => ({ name, type: "integer" });

const LIST = [
  flag("allowWatchBookmarks"),
  text("continue"),
  text("fieldSelector"),
  text("labelSelector"),
  count("limit"),
  text("resourceVersion"),
  text("resourceVersionMatch"),
  flag("sendInitialEvents"),
  count("timeoutSeconds"),
  flag("watch"),
];
const WRITE = [text("dryRun"), text("fieldManager"), text("fieldValidation")];
const DELETE = [
  text("dryRun"),
  count("gracePeriodSeconds"),
  flag("orphanDependents"),
  text("propagationPolicy"),
];
const DELETE_COLLECTION = [
  ...DELETE,
  ...LIST.filter(({ name }) => name !== "watch" && name !== "allowWatchBookmarks"),
];

/** All paths of a kind: its collections, the object, and its subresources. */
export function pathsOf(table: KindTable): ApiPath[] {
  const names = new Names(table);
  const paths = [collection(table, names)];
  if (table.namespaced && table.verbs.includes("list")) paths.push(everywhere(table, names));
  const item = itemOperations(table, names);
  const name = { path: `${names.collection}/{name}`, pathParameters: names.itemParameters };
  if (item.length > 0) paths.push({ ...name, operations: item });
  for (const subresource of table.subresources) {
    const operations = subresourceOperations(table, subresource, names);
    paths.push({ ...name, path: `${name.path}/${subresource.name}`, operations });
  }
  return paths.filter(({ operations }) => operations.length > 0);
}

/** Names that follow from a kind. */
class Names {
  readonly root: string;
  readonly collection: string;
  readonly collectionParameters: readonly string[];
  readonly itemParameters: readonly string[];
  /** `CoreV1`, `RbacAuthorizationV1` */
  readonly prefix: string;
  /** `NamespacedPod`, `Node` */
  readonly scoped: string;
  /** `core_v1` */
  readonly tag: string;

  constructor(table: KindTable) {
    const { group, version, plural, kind, namespaced } = table;
    this.root = `/${group ? "apis" : "api"}/${apiVersionOf(table)}`;
    const scope = namespaced ? "/namespaces/{namespace}" : "";
    this.collection = `${this.root}${scope}/${plural}`;
    this.collectionParameters = namespaced ? ["namespace"] : [];
    this.itemParameters = ["name", ...this.collectionParameters];
    const words = (group.replace(/\.k8s\.io$/, "") || "core").split(".");
    this.prefix = [...words, version].map(capitalized).join("");
    this.scoped = `${namespaced ? "Namespaced" : ""}${kind}`;
    this.tag = [...words, version].join("_").replace(/^(\w+)_(\w+)_(v\w+)$/, "$1$2_$3");
  }
}

function capitalized(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

interface Rest {
  readonly parameters?: readonly Parameter[];
  readonly body?: string;
  readonly bodyRequired?: boolean;
  readonly consumes?: readonly string[];
  readonly produces?: readonly string[];
  readonly codes?: readonly string[];
}

function operation(
  method: Operation["method"],
  action: string,
  id: string,
  tag: string,
  kind: GroupVersionKind,
  answer: string | undefined,
  rest: Rest = {},
): Operation {
  return {
    method,
    action,
    id,
    tag,
    kind,
    answer,
    parameters: rest.parameters ?? [],
    body: rest.body,
    bodyRequired: rest.bodyRequired ?? rest.body !== undefined,
    consumes: rest.consumes ?? ["*/*"],
    produces: rest.produces ?? [JSON_TYPE],
    codes: rest.codes ?? ["200"],
  };
}

function kindOf({ group, version, kind }: GroupVersionKind): GroupVersionKind {
  return { group, kind, version };
}

function definitionOf({ group, version, kind }: GroupVersionKind): string {
  const name = definitionOfKind(group, version, kind);
  if (name === undefined) throw new TypeError(`no definition of ${group}/${version}, ${kind}`);
  return name;
}

function collection(table: KindTable, names: Names): ApiPath {
  const { prefix, scoped, tag } = names;
  const kind = kindOf(table);
  const operations: Operation[] = [];
  if (table.verbs.includes("list")) {
    const list = definitionOf({ ...table, kind: table.listKind });
    operations.push(
      operation("get", "list", `list${prefix}${scoped}`, tag, kind, list, {
        parameters: LIST,
        produces: [JSON_TYPE, JSON_STREAM],
      }),
    );
  }
  if (table.verbs.includes("create")) {
    const body = definitionOf(table);
    operations.push(
      operation("post", "post", `create${prefix}${scoped}`, tag, kind, body, {
        parameters: WRITE,
        body,
        codes: ["200", "201", "202"],
      }),
    );
  }
  if (table.verbs.includes("deletecollection")) {
    const id = `delete${prefix}Collection${scoped}`;
    operations.push(
      operation("delete", "deletecollection", id, tag, kind, `${META}Status`, {
        parameters: DELETE_COLLECTION,
        body: `${META}DeleteOptions`,
        bodyRequired: false,
      }),
    );
  }
  return { path: names.collection, pathParameters: names.collectionParameters, operations };
}

/** The list over all namespaces. */
function everywhere(table: KindTable, names: Names): ApiPath {
  const id = `list${names.prefix}${table.kind}ForAllNamespaces`;
  const list = definitionOf({ ...table, kind: table.listKind });
  return {
    path: `${names.root}/${table.plural}`,
    pathParameters: [],
    operations: [
      operation("get", "list", id, names.tag, kindOf(table), list, {
        parameters: LIST,
        produces: [JSON_TYPE, JSON_STREAM],
      }),
    ],
  };
}

function itemOperations(table: KindTable, names: Names): Operation[] {
  const { prefix, scoped, tag } = names;
  const kind = kindOf(table);
  const definition = definitionOf(table);
  const operations = objectOperations(table.verbs, `${prefix}${scoped}`, tag, kind, definition);
  if (table.verbs.includes("delete")) {
    operations.push(
      operation("delete", "delete", `delete${prefix}${scoped}`, tag, kind, `${META}Status`, {
        parameters: DELETE,
        body: `${META}DeleteOptions`,
        bodyRequired: false,
        codes: ["200", "202"],
      }),
    );
  }
  return operations;
}

/** get, put and patch: of the object and of its subresources alike. */
function objectOperations(
  verbs: readonly string[],
  suffix: string,
  tag: string,
  kind: GroupVersionKind,
  definition: string,
): Operation[] {
  const operations: Operation[] = [];
  if (verbs.includes("get")) {
    operations.push(operation("get", "get", `read${suffix}`, tag, kind, definition));
  }
  if (verbs.includes("update")) {
    operations.push(
      operation("put", "put", `replace${suffix}`, tag, kind, definition, {
        parameters: WRITE,
        body: definition,
        codes: ["200", "201"],
      }),
    );
  }
  if (verbs.includes("patch")) {
    operations.push(
      operation("patch", "patch", `patch${suffix}`, tag, kind, definition, {
        parameters: [...WRITE, flag("force")],
        body: `${META}Patch`,
        consumes: PATCH_TYPES,
        codes: ["200", "201"],
      }),
    );
  }
  return operations;
}

function subresourceOperations(
  table: KindTable,
  subresource: SubresourceTable,
  names: Names,
): Operation[] {
  const { prefix, scoped, tag } = names;
  const suffix = `${prefix}${scoped}${capitalized(subresource.name)}`;
  const kind = kindOf(subresource);
  if (subresource.kind.endsWith("Options")) return connections(subresource, suffix, prefix, tag);
  if (subresource.name === "log") {
    return [operation("get", "get", `read${suffix}`, tag, kind, undefined, { parameters: LOG })];
  }
  const definition = definitionOf(kind);
  const operations = objectOperations(subresource.verbs, suffix, tag, kind, definition);
  if (subresource.verbs.includes("create")) {
    operations.push(
      operation("post", "post", `create${suffix}`, tag, kind, definition, {
        parameters: WRITE,
        body: definition,
        codes: ["200", "201", "202"],
      }),
    );
  }
  return table.verbs.length > 0 ? operations : [];
}

const LOG = [
  text("container"),
  flag("follow"),
  flag("insecureSkipTLSVerifyBackend"),
  count("limitBytes"),
  flag("previous"),
  count("sinceSeconds"),
  text("stream"),
  count("tailLines"),
  flag("timestamps"),
];
const STREAM = [
  text("command"),
  text("container"),
  flag("stderr"),
  flag("stdin"),
  flag("stdout"),
  flag("tty"),
];
const CONNECT: Readonly<Record<string, readonly Parameter[]>> = {
  exec: STREAM,
  attach: STREAM.filter(({ name }) => name !== "command"),
  portforward: [count("ports")],
};

/** Subresources that turn the connection into a stream. */
function connections(
  subresource: SubresourceTable,
  suffix: string,
  prefix: string,
  tag: string,
): Operation[] {
  const rest = suffix.slice(prefix.length);
  const parameters = CONNECT[subresource.name] ?? [];
  const method = (verb: "get" | "post") => {
    const id = `connect${prefix}${capitalized(verb)}${rest}`;
    const kind = kindOf(subresource);
    return operation(verb, "connect", id, tag, kind, undefined, { parameters, produces: ["*/*"] });
  };
  return [
    ...(subresource.verbs.includes("get") ? [method("get")] : []),
    ...(subresource.verbs.includes("create") ? [method("post")] : []),
  ];
}
