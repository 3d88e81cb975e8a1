import { notAcceptable } from "../../../shared/api/errors.ts";
import { KINDS } from "../../../shared/api/kinds.ts";
import type { KindTable } from "../../../shared/api/schema.ts";
import { type Document, documentOf } from "../document.ts";
import { aggregatedResources, type Group, groupsOf, plainResources } from "./resources.ts";

export interface DiscoveryDocument extends Document {
  readonly contentType: string;
}

/** What discovery is asked in: plain, or all groups at once in a version of the aggregated form. */
type Form = "plain" | "v2" | "v2beta1";

const JSON_TYPE = "application/json";
const SERVED = [JSON_TYPE, `${JSON_TYPE};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList`];

/** Discovery of a set of kinds. Documents are built on first use and kept. */
export class Discovery {
  private readonly groups: readonly Group[];
  private readonly documents = new Map<string, DiscoveryDocument | undefined>();

  constructor(tables: readonly KindTable[]) {
    this.groups = groupsOf(tables);
  }

  /**
   * The document of a path: `/api`, `/api/v1`, `/apis`, `/apis/<group>`, `/apis/<group>/<version>`.
   * `/api` and `/apis` are aggregated when the Accept header asks for it. Answers may be cached by
   * their ETag and vary with Accept.
   * @returns undefined for any other path, or a group or version that is not served.
   * @throws StatusError NotAcceptable when nothing that Accept names can be served.
   */
  document(path: string, accept: string): DiscoveryDocument | undefined {
    const plainPath = path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
    const parts = plainPath.split("/").slice(1);
    if (parts.length > 3 || (parts[0] !== "api" && parts[0] !== "apis")) return undefined;
    const form = formOf(accept, parts.length === 1);
    const key = `${form} ${plainPath}`;
    if (this.documents.has(key)) return this.documents.get(key);
    const content = form === "plain" ? this.plain(parts) : this.aggregated(parts[0] ?? "", form);
    if (!content) return undefined; // not kept: paths are the client's to choose
    const document = { ...documentOf(content), contentType: contentTypeOf(form) };
    this.documents.set(key, document);
    return document;
  }

  private plain([root, first, second]: readonly string[]): object | undefined {
    if (root === "api") {
      if (first === undefined) return this.coreVersions();
      return second === undefined ? this.resources("", first) : undefined;
    }
    if (first === undefined) return this.groupList();
    if (second !== undefined) return first ? this.resources(first, second) : undefined;
    const group = this.groups.find(({ name }) => name === first);
    return group?.name ? { kind: "APIGroup", apiVersion: "v1", ...plainGroup(group) } : undefined;
  }

  private coreVersions(): object {
    const core = this.groups.find(({ name }) => name === "");
    return {
      kind: "APIVersions",
      versions: core?.versions.map(({ version }) => version) ?? [],
      serverAddressByClientCIDRs: [],
    };
  }

  private groupList(): object {
    const named = this.groups.filter(({ name }) => name !== "");
    return { kind: "APIGroupList", apiVersion: "v1", groups: named.map(plainGroup) };
  }

  private resources(groupName: string, versionName: string): object | undefined {
    const group = this.groups.find(({ name }) => name === groupName);
    const version = group?.versions.find((candidate) => candidate.version === versionName);
    if (!version) return undefined;
    return {
      kind: "APIResourceList",
      ...(groupName ? { apiVersion: "v1" } : {}),
      groupVersion: version.groupVersion,
      resources: plainResources(version),
    };
  }

  private aggregated(root: string, form: Form): object {
    const groups = this.groups.filter(({ name }) => (name === "") === (root === "api"));
    return {
      kind: "APIGroupDiscoveryList",
      apiVersion: `apidiscovery.k8s.io/${form}`,
      metadata: {},
      items: groups.map(({ name, versions }) => ({
        metadata: { ...(name ? { name } : {}), creationTimestamp: null },
        versions: versions.map((version) => ({
          version: version.version,
          resources: aggregatedResources(version),
          freshness: "Current",
        })),
      })),
    };
  }
}

function plainGroup({ name, versions }: Group): object {
  const list = versions.map(({ groupVersion, version }) => ({ groupVersion, version }));
  return { name, versions: list, preferredVersion: list[0] };
}

function contentTypeOf(form: Form): string {
  if (form === "plain") return JSON_TYPE;
  return `${JSON_TYPE};g=apidiscovery.k8s.io;v=${form};as=APIGroupDiscoveryList`;
}

/** The first form that the Accept header names and that the path has. */
function formOf(accept: string, aggregatable: boolean): Form {
  if (accept.trim() === "") return "plain";
  for (const range of accept.split(",")) {
    const [type = "", ...rest] = range.split(";").map((part) => part.trim());
    if (type !== JSON_TYPE && type !== "*/*" && type !== "application/*") continue;
    const parameters = new Map(rest.map((part) => part.split("=", 2) as [string, string]));
    const as = parameters.get("as");
    if (as === undefined) return "plain";
    const version = parameters.get("v");
    const known = as === "APIGroupDiscoveryList" && parameters.get("g") === "apidiscovery.k8s.io";
    if (known && aggregatable && (version === "v2" || version === "v2beta1")) return version;
  }
  throw notAcceptable(SERVED);
}

const builtIn = new Discovery(KINDS);

/** Discovery of the built-in kinds; see `Discovery.document`. */
export function discoveryDocument(path: string, accept: string): DiscoveryDocument | undefined {
  return builtIn.document(path, accept);
}
