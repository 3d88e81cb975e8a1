import type { Field, Schema } from "../schema.ts";
import { type FieldSet, isEmptySet, lookUp } from "./field-set.ts";
import { getField, isArray, isObject, type JsonObject, jsonEqual, setField } from "./json-value.ts";
import { fieldElement, itemElement } from "./path-element.ts";
import { elementOf, fieldOrUntyped, itemField, shapeOf } from "./typed.ts";

/**
 * An applied configuration merged into the live object by schema: what the configuration names
 * wins, lists by keys and sets are merged, everything atomic is replaced. Unchanged parts are the
 * live object's own.
 */
export function mergeFields(
  live: JsonObject | undefined,
  applied: JsonObject,
  schema: Schema,
): JsonObject {
  let result: Record<string, unknown> | undefined = live ? undefined : {};
  for (const [name, value] of Object.entries(applied)) {
    const before = live && getField(live, name);
    const after = mergeValue(before, value, fieldOrUntyped(schema, name));
    if (after === before) continue;
    result ??= { ...live };
    if (after === undefined) delete result[name];
    else setField(result, name, after);
  }
  return result ?? (live as JsonObject);
}

function mergeValue(live: unknown, applied: unknown, field: Field): unknown {
  if (applied === undefined) return live;
  const shape = shapeOf(field);
  if (shape === "leaf") {
    if (applied === null) return undefined; // claimed, and set to nothing
    return jsonEqual(live, applied) ? live : applied;
  }
  if (applied === null) return live;
  if (shape === "fields" && isObject(applied)) {
    return mergeFields(isObject(live) ? live : undefined, applied, field.schema);
  }
  if (shape === "items" && isArray(applied)) {
    const merged = mergeItems(isArray(live) ? live : [], applied, field);
    return jsonEqual(live, merged) ? live : merged;
  }
  return applied;
}

interface Item {
  readonly element: string;
  readonly value: unknown;
}

/**
 * Items of both lists, those of the configuration in its order; an item that only the live list has
 * stays behind the one that it stood behind, as far as that order allows.
 */
function mergeItems(
  live: readonly unknown[],
  applied: readonly unknown[],
  field: Field,
): unknown[] {
  // Live items that have no place, or stand there twice, are nobody's; they stay as they are.
  const left = live.map((value) => ({ element: elementOf(field, value) ?? "", value }));
  const right = applied.map((value) => ({ element: itemElement(field, value), value }));
  const liveByElement = uniqueItems(left);
  const wanted = new Set(right.map((item) => item.element));
  const shared = right.filter((item) => liveByElement.has(item.element));
  const merged = new Set<string>();
  const result: unknown[] = [];
  const take = (item: Item) => {
    merged.add(item.element);
    if (item.element === shared[0]?.element) shared.shift();
    const value = liveByElement.get(item.element)?.value;
    result.push(mergeValue(value, item.value, itemField(field)) ?? item.value);
  };
  let l = 0;
  let r = 0;
  while (l < left.length || r < right.length) {
    const before = left[l];
    const next = right[r];
    if (before && next && before.element === next.element) {
      take(next);
      l++;
      r++;
    } else if (before && !wanted.has(before.element)) {
      result.push(before.value);
      l++;
    } else if (before && (merged.has(before.element) || before.element !== shared[0]?.element)) {
      l++; // it has come, or will come where the configuration has it
    } else if (next) {
      take(next);
      r++;
    } else {
      l++;
    }
  }
  return result;
}

function uniqueItems(items: readonly Item[]): Map<string, Item> {
  const result = new Map<string, Item>();
  const twice = new Set<string>();
  for (const item of items) {
    if (result.has(item.element)) twice.add(item.element);
    result.set(item.element, item);
  }
  for (const element of twice) result.delete(element);
  return result;
}

/** The object without the fields in the set, and without structs and lists that this empties. */
export function removeFields(object: JsonObject, set: FieldSet, schema: Schema): JsonObject {
  if (isEmptySet(set)) return object;
  let result: Record<string, unknown> | undefined;
  for (const [name, value] of Object.entries(object)) {
    const { member, below } = lookUp(set, fieldElement(name));
    const after = member
      ? undefined
      : below
        ? removeFromValue(value, below, fieldOrUntyped(schema, name))
        : value;
    if (after === value) continue;
    result ??= { ...object };
    if (after === undefined) delete result[name];
    else setField(result, name, after);
  }
  return result ?? object;
}

function removeFromValue(value: unknown, set: FieldSet, field: Field): unknown {
  const shape = shapeOf(field);
  if (shape === "leaf") return undefined;
  if (shape === "fields" && isObject(value)) {
    const rest = removeFields(value, set, field.schema);
    return Object.keys(rest).length > 0 || rest === value ? rest : undefined;
  }
  if (shape === "items" && isArray(value)) {
    const rest = removeItems(value, set, field);
    return rest.length > 0 || rest === value ? rest : undefined;
  }
  return value;
}

function removeItems(items: readonly unknown[], set: FieldSet, field: Field): readonly unknown[] {
  const kept: unknown[] = [];
  let same = true;
  for (const item of items) {
    const { member, below } = lookUp(set, elementOf(field, item) ?? "");
    const after = member
      ? undefined
      : below
        ? removeFromValue(item, below, itemField(field))
        : item;
    same &&= after === item;
    if (after !== undefined) kept.push(after);
  }
  return same ? items : kept;
}
