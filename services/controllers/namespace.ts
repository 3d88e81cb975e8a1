/**
 * Namespace controller: empties a namespace that is being deleted, then lets it go. Pods first
 * (KEP-5080), so that nothing that guards them is gone while they still run.
 */

import type { Controller, Snapshot } from "../../shared/actor/controller.ts";
import type { Action, Plan } from "../../shared/actor/plan.ts";
import type { Namespace, NamespaceCondition } from "../../shared/api/generated/types.ts";
import { type GroupResource, keyOf } from "../../shared/api/key.ts";
import { groupResourceOf, KINDS } from "../../shared/api/kinds.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { formatTime } from "../../shared/api/time.ts";
import type { Key } from "../../shared/store/store.ts";
import type { Entry } from "../../shared/store/view.ts";
import { canonical } from "./lib/names.ts";

const FINALIZER = "kubernetes";
const WRITES_PER_PLAN_MAX = 500;

/**
 * What a namespace may hold, as far as it is in the same log: one plan cannot span two. Events and
 * leases of a namespace that is gone are the expiry controllers' work.
 */
const CONTENTS: readonly GroupResource[] = KINDS.filter(
  (table) => table.namespaced && table.log === "cluster" && table.storedAs === undefined,
).map(groupResourceOf);

export const namespace: Controller = {
  name: "namespace",
  version: 1,
  primary: "namespaces",
  wakes: { "*": wokenByContent },
  concerns: ({ entry }, at) =>
    entry.resource === "namespaces" || isEnding(at.get(keyOf("namespaces", "", entry.namespace))),
  reconcile,
};

function isEnding(entry: Entry | undefined): boolean {
  return entry?.object.metadata.deletionTimestamp !== undefined;
}

function wokenByContent(
  object: KubernetesObject | undefined,
  old: KubernetesObject | undefined,
  at: Snapshot,
): readonly Key[] {
  const name = (object ?? old)?.metadata.namespace;
  if (name === undefined) return [];
  const key = keyOf("namespaces", "", name);
  return at.getKey(key)?.metadata.deletionTimestamp === undefined ? [] : [key];
}

export function reconcile(key: Key, at: Snapshot): Plan {
  const ns = at.getKey<Namespace>(key);
  if (ns?.metadata.deletionTimestamp === undefined) return { actions: [] };
  if (!ns.spec?.finalizers?.includes(FINALIZER)) return { actions: [] };
  const contents = CONTENTS.map((resource) => ({
    resource,
    objects: at.list(resource, ns.metadata.name),
  })).filter(({ objects }) => objects.length > 0);
  if (contents.length === 0) return finalize(ns, key);
  const first = contents.some(({ resource }) => resource === "pods")
    ? contents.filter(({ resource }) => resource === "pods")
    : contents;
  const deletions = first.flatMap(({ resource, objects }) =>
    objects.filter((object) => isDue(object)).map((object) => deletionOf(resource, object)),
  );
  const writes = deletions.slice(0, WRITES_PER_PLAN_MAX);
  const status = { phase: "Terminating", conditions: conditionsOf(ns, contents, at.now) };
  if (writes.length === 0 && canonical(ns.status as never) === canonical(status as never)) {
    return { actions: [] };
  }
  const claim: Action = {
    op: "update",
    key,
    subresource: "status",
    expect: ns.metadata.resourceVersion as string,
    claim: true,
    object: { ...ns, status },
  };
  return {
    actions: [...writes, claim],
    reason: `namespace is being deleted: ${writes.length} more`,
  };
}

function isDue(object: KubernetesObject): boolean {
  return object.metadata.deletionTimestamp === undefined;
}

function deletionOf(resource: GroupResource, object: KubernetesObject): Action {
  const { namespace: ns, name, uid } = object.metadata;
  return {
    op: "delete",
    key: keyOf(resource, ns, name),
    uid: uid as string,
    propagationPolicy: "Background",
  };
}

function finalize(ns: Namespace, key: Key): Plan {
  const finalizers = ns.spec?.finalizers?.filter((finalizer) => finalizer !== FINALIZER);
  const update: Action = {
    op: "update",
    key,
    subresource: "finalize",
    expect: ns.metadata.resourceVersion as string,
    object: { ...ns, spec: { ...ns.spec, finalizers } },
  };
  return { actions: [update], reason: "namespace is empty" };
}

interface Contents {
  readonly resource: GroupResource;
  readonly objects: readonly KubernetesObject[];
}

/** The five conditions by which upstream says what is still there. */
function conditionsOf(
  ns: Namespace,
  contents: readonly Contents[],
  now: number,
): NamespaceCondition[] {
  const remaining = contents.map(
    // With the dot also where the group is empty: upstream's words are `pods. has 1 ...`.
    ({ resource, objects }) => {
      const name = resource.includes(".") ? resource : `${resource}.`;
      return `${name} has ${objects.length} resource instances`;
    },
  );
  const finalizers = new Map<string, number>();
  for (const object of contents.flatMap(({ objects }) => objects)) {
    for (const finalizer of object.metadata.finalizers ?? []) {
      finalizers.set(finalizer, (finalizers.get(finalizer) ?? 0) + 1);
    }
  }
  const held = [...finalizers]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([finalizer, count]) => `${finalizer} in ${count} resource instances`);
  const next: readonly (readonly [string, string, string, string])[] = [
    [
      "NamespaceDeletionDiscoveryFailure",
      "False",
      "ResourcesDiscovered",
      "All resources successfully discovered",
    ],
    [
      "NamespaceDeletionGroupVersionParsingFailure",
      "False",
      "ParsedGroupVersions",
      "All legacy kube types successfully parsed",
    ],
    [
      "NamespaceDeletionContentFailure",
      "False",
      "ContentDeleted",
      "All content successfully deleted, may be waiting on finalization",
    ],
    [
      "NamespaceContentRemaining",
      "True",
      "SomeResourcesRemain",
      `Some resources are remaining: ${remaining.join(", ")}`,
    ],
    held.length > 0
      ? [
          "NamespaceFinalizersRemaining",
          "True",
          "SomeFinalizersRemain",
          `Some content in the namespace has finalizers remaining: ${held.join(", ")}`,
        ]
      : [
          "NamespaceFinalizersRemaining",
          "False",
          "ContentHasNoFinalizers",
          "All content-preserving finalizers finished",
        ],
  ];
  return next.map(([type, status, reason, message]) => {
    const old = ns.status?.conditions?.find((condition) => condition.type === type);
    const since = old?.status === status ? old.lastTransitionTime : undefined;
    return { type, status, reason, message, lastTransitionTime: since ?? formatTime(now) };
  });
}
