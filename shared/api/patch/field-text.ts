import { type FieldSet, sorted } from "./field-set.ts";

/** Sets in their stored form with their JSON. Sets are never changed once built. */
const texts = new WeakMap<object, string>();

/** The set as it is stored: in Kubernetes' order. Its JSON is remembered with it. */
export function storedSet(set: FieldSet): FieldSet {
  if (texts.has(set)) return set;
  const stored = sorted(set);
  remember(stored);
  return stored;
}

/** Remembers the JSON of a set that is in its stored form. */
export function remember(stored: FieldSet): void {
  if (!texts.has(stored)) texts.set(stored, JSON.stringify(stored));
}

/** A set in its stored form as JSON; undefined for what is not known to be one. */
export function knownText(set: object): string | undefined {
  return texts.get(set);
}
