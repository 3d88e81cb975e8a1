/** Owner references: who controls an object, and adoption of objects that match a selector. */
import type { KubernetesObject, OwnerReference } from "../../../shared/api/object.ts";

/** The reference with `controller: true`, if any. */
export function controllerOf(object: KubernetesObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

/** The reference by which `owner` controls what it creates. */
export function controllerReference(owner: KubernetesObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid as string,
    controller: true,
    blockOwnerDeletion: true,
  };
}

export interface Claimed<T> {
  /** Controlled by the owner and selected. */
  readonly owned: readonly T[];
  /** Selected and controlled by nobody: to be adopted. */
  readonly orphans: readonly T[];
  /** Controlled by the owner but no longer selected: to be released. */
  readonly strangers: readonly T[];
}

/**
 * Sorts the objects by what the owner is to do with them. Those of other controllers are left out.
 */
export function claim<T extends KubernetesObject>(
  owner: KubernetesObject,
  candidates: Iterable<T>,
  selected: (labels: Readonly<Record<string, string>>) => boolean,
): Claimed<T> {
  const owned: T[] = [];
  const orphans: T[] = [];
  const strangers: T[] = [];
  for (const candidate of candidates) {
    const controller = controllerOf(candidate);
    const matches = selected(candidate.metadata.labels ?? {});
    if (controller === undefined) {
      if (matches && candidate.metadata.deletionTimestamp === undefined) orphans.push(candidate);
    } else if (controller.uid === owner.metadata.uid) {
      (matches ? owned : strangers).push(candidate);
    }
  }
  return { owned, orphans, strangers };
}
