import type { KubernetesObject, ObjectMeta } from "../../shared/api/object.ts";
import { setField } from "../../shared/api/patch/json-value.ts";

/** A deep copy of a JSON value that may be changed; those of a projection may not. */
export function cloneJson<T>(value: T): T {
  if (value === null || typeof value !== "object") return value;
  return copied(value, cloneJson) as T;
}

/**
 * A copy that shares what is frozen: parts of stored objects, which are frozen whole.
 * Only what is not frozen, and the root and its metadata, may be changed.
 */
export function thawed(object: KubernetesObject): KubernetesObject {
  const { metadata, ...rest } = object;
  const copy = copied(rest, cloneUnfrozen) as KubernetesObject;
  // As a patch may have left it: whether it is an object is found out by decoding
  const plain = typeof metadata === "object" && metadata !== null && !Array.isArray(metadata);
  if (metadata !== undefined) {
    copy.metadata = (plain ? copied(metadata, cloneUnfrozen) : metadata) as ObjectMeta;
  }
  return copy;
}

function cloneUnfrozen<T>(value: T): T {
  if (value === null || typeof value !== "object" || Object.isFrozen(value)) return value;
  return copied(value, cloneUnfrozen) as T;
}

/** One level of a copy; a field `__proto__` is a field like any other. */
function copied(value: object, below: (part: unknown) => unknown): object {
  if (Array.isArray(value)) return value.map((item) => below(item));
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(value)) {
    setField(copy, name, below((value as Record<string, unknown>)[name]));
  }
  return copy;
}

/** Equality of JSON values; the order of an object's fields and undefined fields do not count. */
export function equalJson(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== "object" || typeof right !== "object" || !left || !right) return false;
  if (Array.isArray(left) || Array.isArray(right)) return equalArrays(left, right);
  return equalFields(left as Record<string, unknown>, right as Record<string, unknown>);
}

function equalArrays(left: unknown, right: unknown): boolean {
  if (!Array.isArray(left) || !Array.isArray(right) || left.length !== right.length) return false;
  return left.every((item, index) => equalJson(item, right[index]));
}

function equalFields(left: Record<string, unknown>, right: Record<string, unknown>): boolean {
  for (const name in left) {
    if (!equalJson(left[name], right[name])) return false;
  }
  for (const name in right) {
    if (right[name] !== undefined && left[name] === undefined) return false;
  }
  return true;
}

/** As equalJson, and what is empty ({}, [], "" or absent) counts as absent at the top. */
export function equalOrEmpty(left: unknown, right: unknown): boolean {
  return (isEmpty(left) && isEmpty(right)) || equalJson(left, right);
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
