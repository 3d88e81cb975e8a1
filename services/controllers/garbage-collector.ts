/**
 * Garbage collector: deletes what has lost all its owners, and carries out foreground and orphan
 * deletion. The snapshot is the whole cluster at one revision of one total order, so an owner that
 * is not in it does not exist: there is no graph to build and no second look needed.
 */

import type { Controller, Snapshot } from "../../shared/actor/controller.ts";
import type { Action, DeleteAction, Plan } from "../../shared/actor/plan.ts";
import { keyOf, parseKey } from "../../shared/api/key.ts";
import { groupResourceOf, KINDS, kindOf } from "../../shared/api/kinds.ts";
import type { KubernetesObject, OwnerReference } from "../../shared/api/object.ts";
import type { Key } from "../../shared/store/store.ts";
import type { Entry } from "../../shared/store/view.ts";

const FOREGROUND = "foregroundDeletion";
const ORPHAN = "orphan";
const WRITES_PER_PLAN_MAX = 500;
const RESOURCES = KINDS.filter((table) => table.log === "cluster" && !table.storedAs).map(
  groupResourceOf,
);

export const garbageCollector: Controller = {
  name: "garbage-collector",
  version: 1,
  primary: "*",
  wakes: { "*": wokenByOwner },
  concerns: ({ type, entry, old }) =>
    type === "DELETED" || mayConcern(entry) || (old !== undefined && mayConcern(old)),
  reconcile,
};

const TELLING = ["ownerReferences", "deletionTimestamp"].map((name) => Buffer.from(`"${name}"`));

/** Most objects have no owner and are not being deleted, which their bytes tell at once. */
function mayConcern({ bytes }: Entry): boolean {
  return TELLING.some((name) => bytes.includes(name));
}

/**
 * The end of an owner wakes its dependents; so does the beginning of its foreground deletion. The
 * end of a dependent wakes the owner that waits for it.
 */
function wokenByOwner(
  object: KubernetesObject | undefined,
  old: KubernetesObject | undefined,
  at: Snapshot,
): readonly Key[] {
  const keys: Key[] = [];
  if (object === undefined || isWaiting(object)) {
    const uid = (object ?? old)?.metadata.uid;
    if (uid !== undefined) for (const { key } of dependentsOf(uid, at)) keys.push(key);
  }
  for (const reference of old?.metadata.ownerReferences ?? []) {
    const owner = lookUp(reference, old?.metadata.namespace, at);
    if (owner?.object !== undefined && isWaiting(owner.object)) keys.push(owner.key);
  }
  return keys;
}

export function reconcile(key: Key, at: Snapshot): Plan {
  const object = at.getKey(key);
  if (object === undefined) return { actions: [] };
  if (object.metadata.deletionTimestamp !== undefined) {
    if (object.metadata.finalizers?.includes(ORPHAN)) return orphanDependents(key, object, at);
    if (object.metadata.finalizers?.includes(FOREGROUND)) return deleteDependents(key, object, at);
    return { actions: [] };
  }
  return object.metadata.ownerReferences?.length ? checkOwners(key, object, at) : { actions: [] };
}

interface Found {
  readonly key: Key;
  readonly object: KubernetesObject;
}

function dependentsOf(uid: string, at: Snapshot): readonly Found[] {
  return RESOURCES.flatMap((resource) =>
    at.ownedBy(resource, uid).map((object) => ({
      key: keyOf(resource, object.metadata.namespace, object.metadata.name),
      object,
    })),
  );
}

/** The owner that a reference names; undefined when its kind is not known here. */
function lookUp(
  reference: OwnerReference,
  namespace: string | undefined,
  at: Snapshot,
): { key: Key; object: KubernetesObject | undefined } | undefined {
  const slash = reference.apiVersion.indexOf("/");
  const group = slash < 0 ? "" : reference.apiVersion.slice(0, slash);
  const table = kindOf(group, reference.apiVersion.slice(slash + 1), reference.kind);
  if (table === undefined) return undefined;
  const key = keyOf(groupResourceOf(table), table.namespaced ? namespace : "", reference.name);
  const found = at.getKey(key);
  return { key, object: found?.metadata.uid === reference.uid ? found : undefined };
}

function isWaiting(object: KubernetesObject): boolean {
  const { deletionTimestamp, finalizers } = object.metadata;
  return deletionTimestamp !== undefined && finalizers?.includes(FOREGROUND) === true;
}

/** All owners gone: delete. Some gone: drop their references. Waiting for this one: delete. */
function checkOwners(key: Key, object: KubernetesObject, at: Snapshot): Plan {
  const references = object.metadata.ownerReferences ?? [];
  const owners = references.map((reference) => ({
    reference,
    found: lookUp(reference, object.metadata.namespace, at),
  }));
  // An owner of unknown kind may well exist: never delete for it.
  const solid = owners.filter(
    ({ found }) => found === undefined || (found.object && !isWaiting(found.object)),
  );
  if (solid.length === references.length) return { actions: [] };
  const waiting = owners.some(({ found }) => found?.object && isWaiting(found.object));
  if (solid.length > 0) {
    const kept = solid.map(({ reference }) => reference);
    return {
      actions: [patchMetadata(key, object, { ownerReferences: kept })],
      reason: "some of its owners are gone",
    };
  }
  const uid = object.metadata.uid as string;
  const hasDependents = waiting && dependentsOf(uid, at).length > 0;
  const policy = hasDependents ? "Foreground" : policyOf(object);
  return {
    actions: [deletion(key, object, policy)],
    reason: waiting ? "its owner waits for its deletion" : "its owners are gone",
  };
}

/** What the object's own finalizers ask for; background otherwise. */
function policyOf(object: KubernetesObject): NonNullable<DeleteAction["propagationPolicy"]> {
  if (object.metadata.finalizers?.includes(ORPHAN)) return "Orphan";
  return object.metadata.finalizers?.includes(FOREGROUND) ? "Foreground" : "Background";
}

function deletion(
  key: Key,
  object: KubernetesObject,
  propagationPolicy: NonNullable<DeleteAction["propagationPolicy"]>,
): Action {
  // The revision guards against an owner that is added meanwhile.
  const { uid, resourceVersion } = object.metadata;
  return {
    op: "delete",
    key,
    uid: uid as string,
    expect: resourceVersion as string,
    propagationPolicy,
  };
}

/** Foreground: dependents that block go first; the object goes when none of those is left. */
function deleteDependents(key: Key, object: KubernetesObject, at: Snapshot): Plan {
  const uid = object.metadata.uid as string;
  const blocking = dependentsOf(uid, at).filter(({ object: dependent }) =>
    dependent.metadata.ownerReferences?.some(
      (owner) => owner.uid === uid && owner.blockOwnerDeletion === true,
    ),
  );
  if (blocking.length > 0) return { actions: [] }; // each is woken, and deletes itself
  const finalizers = object.metadata.finalizers?.filter((name) => name !== FOREGROUND);
  return {
    actions: [patchMetadata(key, object, { finalizers: finalizers?.length ? finalizers : null })],
    reason: "no dependent blocks its deletion any more",
  };
}

/** Orphan: dependents lose the reference, then the object goes; all of it as one. */
function orphanDependents(key: Key, object: KubernetesObject, at: Snapshot): Plan {
  const uid = object.metadata.uid as string;
  const dependents = dependentsOf(uid, at);
  const releases = dependents.slice(0, WRITES_PER_PLAN_MAX).map((dependent) => {
    const others = dependent.object.metadata.ownerReferences?.filter((owner) => owner.uid !== uid);
    const ownerReferences = others?.length ? others : null;
    return patchMetadata(dependent.key, dependent.object, { ownerReferences });
  });
  const reason = `orphans ${dependents.length} dependents of ${parseKey(key).name}`;
  if (dependents.length > releases.length) return { actions: releases, reason };
  const finalizers = object.metadata.finalizers?.filter((name) => name !== ORPHAN);
  const release = patchMetadata(key, object, {
    finalizers: finalizers?.length ? finalizers : null,
  });
  return { actions: [...releases, release], reason };
}

function patchMetadata(
  key: Key,
  object: KubernetesObject,
  metadata: Readonly<Record<string, unknown>>,
): Action {
  return {
    op: "patch",
    key,
    expect: object.metadata.resourceVersion as string,
    patch: { metadata },
  };
}
