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
 * Sorts objects by what the owner is to do with them. Those of other controllers are left out.
 * @param dependents all that refer to the owner, in whatever role
 * @param uncontrolled all without a controller that may be selected, by their labels
 */
export function claim<T extends KubernetesObject>(
  owner: KubernetesObject,
  dependents: readonly T[],
  uncontrolled: readonly T[],
  selected: (labels: Readonly<Record<string, string>>) => boolean,
): Claimed<T> {
  const owned: T[] = [];
  const strangers: T[] = [];
  for (const dependent of dependents) {
    if (controllerOf(dependent)?.uid !== owner.metadata.uid) continue;
    (selected(dependent.metadata.labels ?? {}) ? owned : strangers).push(dependent);
  }
  return { owned, orphans: adoptable(uncontrolled, selected), strangers };
}

/** Of objects without a controller: those to be adopted by who selects them. */
export function adoptable<T extends KubernetesObject>(
  uncontrolled: readonly T[],
  selected: (labels: Readonly<Record<string, string>>) => boolean,
): readonly T[] {
  return uncontrolled.filter(
    ({ metadata }) => metadata.deletionTimestamp === undefined && selected(metadata.labels ?? {}),
  );
}
