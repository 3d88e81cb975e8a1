import { KINDS } from "../../../shared/api/kinds.ts";
import type { KindTable, SubresourceTable } from "../../../shared/api/schema.ts";
import type { Verb } from "../request.ts";

/** What a request's method and path mean; the verbs are those of authorization. */
export type Route = ResourceRoute | UnknownResourceRoute | PathRoute;

export interface ResourceRoute {
  readonly type: "resource";
  readonly verb: Verb;
  readonly table: KindTable;
  readonly subresource?: SubresourceTable;
  readonly namespace: string;
  readonly name: string;
}

/** A path under a group and version that names no resource, or a method that it does not have. */
export interface UnknownResourceRoute {
  readonly type: "unknown";
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** 404: no such resource; 405: the resource does not have the method. */
  readonly code: 404 | 405;
}

/** Everything else: discovery, health, ... `verb` is the method in lower case. */
export interface PathRoute {
  readonly type: "path";
  readonly verb: string;
  readonly path: string;
}

/** Finds the table of a resource as paths name it. */
export type TableLookup = (group: string, version: string, plural: string) => KindTable | undefined;

/** By plural name, which nearly always says it all. */
const builtIn = new Map<string, KindTable[]>();
for (const table of KINDS) {
  const others = builtIn.get(table.plural);
  if (others === undefined) builtIn.set(table.plural, [table]);
  else others.push(table);
}

/** The built-in kinds. */
export const builtInTables: TableLookup = (group, version, plural) =>
  builtIn.get(plural)?.find((table) => table.group === group && table.version === version);

const VERBS: Readonly<Record<string, Verb>> = {
  GET: "get",
  HEAD: "get",
  POST: "create",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};
const NAMESPACE_SUBRESOURCES = ["finalize", "status"];
/** Subresources that are connections: both GET and POST open one. */
export const CONNECTIONS: readonly string[] = ["attach", "exec", "portforward"];

/** Makes out what a request is for. `path` is without the query, percent-encoded as received. */
export function parsePath(
  method: string,
  path: string,
  query: URLSearchParams,
  tables: TableLookup = builtInTables,
): Route {
  const parts = segments(path);
  const grouped = parts?.[0] === "apis";
  const isResource = parts !== undefined && parts.length >= (grouped ? 4 : 3);
  if (!isResource || (!grouped && parts[0] !== "api")) {
    return { type: "path", verb: method.toLowerCase(), path };
  }
  const group = grouped ? (parts[1] ?? "") : "";
  const version = (grouped ? parts[2] : parts[1]) ?? "";
  const rest = parts.slice(grouped ? 3 : 2);
  const watch = rest[0] === "watch" && rest.length > 1;
  const target = targetOf(watch ? rest.slice(1) : rest);
  const verb = verbOf(method, target, watch, query);
  const unknown = (code: 404 | 405): UnknownResourceRoute => ({
    type: "unknown",
    verb: verb ?? method.toLowerCase(),
    group,
    ...target,
    code,
  });
  const table = tables(group, version, target.resource);
  if (table === undefined || target.more || (watch && method !== "GET")) return unknown(404);
  if (table.namespaced ? target.name !== "" && target.namespace === "" : target.namespace !== "") {
    return unknown(404);
  }
  if (target.subresource !== "") {
    const subresource = table.subresources.find(({ name }) => name === target.subresource);
    if (subresource === undefined) return unknown(404);
    if (verb === undefined || !subresource.verbs.includes(verb)) return unknown(405);
    const { namespace, name } = target;
    return { type: "resource", verb, table, subresource, namespace, name };
  }
  if (verb === undefined || !table.verbs.includes(verb)) return unknown(405);
  if (!fits(verb, table, target)) return unknown(405);
  return { type: "resource", verb, table, namespace: target.namespace, name: target.name };
}

interface Target {
  readonly namespace: string;
  readonly resource: string;
  readonly name: string;
  readonly subresource: string;
  /** The path goes on beyond the subresource. */
  readonly more: boolean;
}

function targetOf(rest: readonly string[]): Target {
  let parts = rest;
  let namespace = "";
  const [first, second, third] = rest;
  if (first === "namespaces" && second !== undefined && third !== undefined) {
    if (!NAMESPACE_SUBRESOURCES.includes(third)) {
      namespace = second;
      parts = rest.slice(2);
    }
  }
  const [resource = "", name = "", subresource = ""] = parts;
  return { namespace, resource, name, subresource, more: parts.length > 3 };
}

function verbOf(
  method: string,
  target: Target,
  watch: boolean,
  query: URLSearchParams,
): Verb | undefined {
  const verb = VERBS[method];
  if (watch) return "watch";
  if (target.name !== "") return verb;
  if (verb === "get") return isTrue(query.get("watch")) ? "watch" : "list";
  return verb === "delete" ? "deletecollection" : verb;
}

/** Whether collection or object, and namespace or all namespaces, suit the verb. */
function fits(verb: Verb, table: KindTable, target: Target): boolean {
  switch (verb) {
    case "create":
    case "deletecollection":
      return target.name === "" && (!table.namespaced || target.namespace !== "");
    case "list":
      return target.name === "";
    case "watch":
      return true;
    default:
      return target.name !== "";
  }
}

function isTrue(value: string | null): boolean {
  return value !== null && value !== "0" && value.toLowerCase() !== "false";
}

const SLASH = 47;

/** The decoded segments; undefined when the encoding is broken. */
function segments(path: string): string[] | undefined {
  let start = 0;
  let end = path.length;
  while (path.charCodeAt(start) === SLASH) start++;
  while (end > start && path.charCodeAt(end - 1) === SLASH) end--;
  const parts = path.slice(start, end).split("/");
  if (!path.includes("%")) return parts;
  try {
    return parts.map((part) => decodeURIComponent(part));
  } catch {
    return undefined;
  }
}
