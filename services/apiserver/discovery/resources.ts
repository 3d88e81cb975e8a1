import { createHash } from "node:crypto";
import { apiVersionOf } from "../../../shared/api/kinds.ts";
import type { KindTable, SubresourceTable } from "../../../shared/api/schema.ts";

/** A group, its versions (the preferred one first), and the kinds of each. */
export interface Group {
  readonly name: string;
  readonly versions: readonly GroupVersion[];
}

export interface GroupVersion {
  readonly version: string;
  /** `v1`, `apps/v1` */
  readonly groupVersion: string;
  /** By plural name. */
  readonly tables: readonly KindTable[];
}

/** Groups that Kubernetes names first, in its order; all others follow by name. */
const GROUP_ORDER = [
  "",
  "apiregistration.k8s.io",
  "apps",
  "events.k8s.io",
  "authentication.k8s.io",
  "authorization.k8s.io",
  "autoscaling",
  "batch",
  "certificates.k8s.io",
  "networking.k8s.io",
  "policy",
  "rbac.authorization.k8s.io",
  "storage.k8s.io",
  "admissionregistration.k8s.io",
  "apiextensions.k8s.io",
  "scheduling.k8s.io",
  "coordination.k8s.io",
  "node.k8s.io",
  "discovery.k8s.io",
  "flowcontrol.apiserver.k8s.io",
];

/** The kinds by group and version. */
export function groupsOf(tables: readonly KindTable[]): Group[] {
  const byGroup = groupBy(tables, (table) => table.group);
  const groups = [...byGroup].map(([name, members]) => {
    const byVersion = groupBy(members, (table) => table.version);
    const versions = [...byVersion].map(([version, kinds]) => ({
      version,
      groupVersion: apiVersionOf({ group: name, version }),
      tables: kinds.toSorted((left, right) => compareText(left.plural, right.plural)),
    }));
    versions.sort((left, right) => compareVersions(left.version, right.version));
    return { name, versions };
  });
  return groups.sort(
    (left, right) => placeOf(left) - placeOf(right) || compareText(left.name, right.name),
  );
}

function groupBy(
  tables: readonly KindTable[],
  by: (table: KindTable) => string,
): Map<string, KindTable[]> {
  const groups = new Map<string, KindTable[]>();
  for (const table of tables) {
    const members = groups.get(by(table));
    if (members) members.push(table);
    else groups.set(by(table), [table]);
  }
  return groups;
}

function placeOf(group: Group): number {
  const place = GROUP_ORDER.indexOf(group.name);
  return place < 0 ? GROUP_ORDER.length : place;
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

const VERSION = /^v(\d+)(?:(alpha|beta)(\d+))?$/;
const STABILITY = ["alpha", "beta", undefined];

/** Kubernetes' order of versions: v2, v1, v2beta1, v1beta2, v1alpha1, then others by name. */
export function compareVersions(left: string, right: string): number {
  const first = VERSION.exec(left);
  const second = VERSION.exec(right);
  if (!first || !second) {
    return first ? -1 : second ? 1 : compareText(left, right);
  }
  const stability = STABILITY.indexOf(second[2]) - STABILITY.indexOf(first[2]);
  if (stability !== 0) return stability;
  return Number(second[1]) - Number(first[1]) || Number(second[3] ?? 0) - Number(first[3] ?? 0);
}

/** APIResource (meta/v1). */
interface Resource {
  readonly name: string;
  readonly singularName: string;
  readonly namespaced: boolean;
  readonly group?: string;
  readonly version?: string;
  readonly kind: string;
  readonly verbs: readonly string[];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly storageVersionHash?: string;
}

/** The resources of a group and version as an APIResourceList has them. */
export function plainResources(version: GroupVersion): Resource[] {
  const resources: Resource[] = [];
  for (const table of version.tables) {
    resources.push({
      name: table.plural,
      singularName: table.singular,
      namespaced: table.namespaced,
      kind: table.kind,
      verbs: table.verbs,
      ...(table.shortNames.length ? { shortNames: table.shortNames } : {}),
      ...(table.categories.length ? { categories: table.categories } : {}),
      ...(table.log === "none" ? {} : { storageVersionHash: storageVersionHash(table) }),
    });
    for (const subresource of table.subresources) {
      resources.push(plainSubresource(table, subresource));
    }
  }
  return resources.sort((left, right) => compareText(left.name, right.name));
}

function plainSubresource(table: KindTable, subresource: SubresourceTable): Resource {
  const foreign = subresource.group !== table.group || subresource.version !== table.version;
  const kind = foreign ? { group: subresource.group, version: subresource.version } : {};
  return {
    name: `${table.plural}/${subresource.name}`,
    singularName: "",
    namespaced: table.namespaced,
    ...kind,
    kind: subresource.kind,
    verbs: subresource.verbs,
  };
}

/** Tells clients when the stored form of a kind changes: derived from what is stored. */
function storageVersionHash({ group, version, kind }: KindTable): string {
  const stored = createHash("sha256").update(`${group}/${version}/${kind}`).digest();
  return stored.subarray(0, 8).toString("base64");
}

/** The resources of a group and version as an APIGroupDiscoveryList has them. */
export function aggregatedResources(version: GroupVersion): object[] {
  return version.tables.map((table) => ({
    resource: table.plural,
    responseKind: { group: table.group, version: table.version, kind: table.kind },
    scope: table.namespaced ? "Namespaced" : "Cluster",
    singularResource: table.singular,
    verbs: table.verbs,
    ...(table.shortNames.length ? { shortNames: table.shortNames } : {}),
    ...(table.categories.length ? { categories: table.categories } : {}),
    ...(table.subresources.length
      ? { subresources: table.subresources.map(aggregatedSubresource) }
      : {}),
  }));
}

function aggregatedSubresource({ name, group, version, kind, verbs }: SubresourceTable): object {
  return { subresource: name, responseKind: { group, version, kind }, verbs };
}
