import { badRequest } from "../errors.ts";
import type { Field, KindTable, Schema } from "../schema.ts";
import { unexplained } from "./errors.ts";
import { fieldOf, patchStrategyOf } from "./fields-of.ts";
import {
  getField,
  goFormat,
  isArray,
  isObject,
  type JsonObject,
  jsonEqual,
  kindOfJson,
  setField,
} from "./json-value.ts";
import { type ListRule, mergeList } from "./strategic-list.ts";

const DIRECTIVE = "$patch";
const RETAIN_KEYS = "$retainKeys";
const SET_ORDER = "$setElementOrder/";
const DELETE_FROM = "$deleteFromPrimitiveList/";

/**
 * Strategic merge patch by the kind's schema: objects merge, lists merge by their merge key or as
 * sets where the schema says so and are replaced elsewhere. Directives: `$patch`, `$retainKeys`,
 * `$setElementOrder/<list>`, `$deleteFromPrimitiveList/<list>`.
 * The document may be frozen; what the patch does not change is shared with the result, and a
 * patch that changes nothing answers the document itself.
 * @throws StatusError BadRequest for malformed patches and directives, otherwise as Kubernetes
 *   answers (500 without reason: a list item without its merge key, an unknown `$patch`).
 */
export function applyStrategicMergePatch<T extends object>(
  document: T,
  patch: unknown,
  table: Pick<KindTable, "schema">,
): T {
  if (!isObject(patch)) {
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${kindOfJson(patch)} into Go value of type ` +
        "map[string]interface {}",
    );
  }
  return mergeObject(document as JsonObject, patch, table.schema) as T;
}

/** Merges a patch into an object; `original` undefined: the object did not exist. */
export function mergeObject(
  original: JsonObject | undefined,
  patch: JsonObject,
  schema: Schema | undefined,
): JsonObject {
  const directive = getField(patch, DIRECTIVE);
  if (directive !== undefined) return obeyDirective(directive, patch);
  const changes = new Changes(retained(original, patch));
  const done = new Set<string>();
  for (const name of Object.keys(patch)) {
    if (!name.startsWith(SET_ORDER)) continue;
    const list = name.slice(SET_ORDER.length);
    done.add(list);
    mergeOrdered(changes, list, getField(patch, name), getField(patch, list), schema);
  }
  for (const name of Object.keys(patch)) {
    if (done.has(name) || name === RETAIN_KEYS || name.startsWith(SET_ORDER)) continue;
    const value = getField(patch, name);
    if (name.startsWith(DELETE_FROM)) {
      deleteScalars(changes, name.slice(DELETE_FROM.length), value);
    } else if (value === null) {
      changes.remove(name);
    } else {
      changes.set(name, mergeValue(changes.get(name), value, fieldOf(schema, name)));
    }
  }
  return changes.result();
}

/** An object with changes: copied when the first one is made. */
class Changes {
  private copy: Record<string, unknown> | undefined;
  private readonly base: JsonObject;

  constructor(base: JsonObject | undefined) {
    this.base = base ?? {};
    if (!base) this.copy = {};
  }

  get(name: string): unknown {
    return getField(this.copy ?? this.base, name);
  }

  set(name: string, value: unknown): void {
    if (value === this.get(name) && Object.hasOwn(this.copy ?? this.base, name)) return;
    this.copy ??= { ...this.base };
    setField(this.copy, name, value);
  }

  remove(name: string): void {
    if (!Object.hasOwn(this.copy ?? this.base, name)) return;
    this.copy ??= { ...this.base };
    delete this.copy[name];
  }

  result(): JsonObject {
    return this.copy ?? this.base;
  }
}

function obeyDirective(directive: unknown, patch: JsonObject): JsonObject {
  if (directive === "delete") return {};
  if (directive === "replace") {
    return Object.fromEntries(Object.entries(patch).filter(([name]) => name !== DIRECTIVE));
  }
  throw unexplained(`unknown patch type: ${goFormat(directive)} in map: ${goFormat(patch)}`);
}

/** The object without the fields that `$retainKeys` does not name. */
function retained(original: JsonObject | undefined, patch: JsonObject): JsonObject | undefined {
  const keys = getField(patch, RETAIN_KEYS);
  if (keys === undefined) return original;
  if (!isArray(keys)) throw badRequest("invalid patch format of retainKeys");
  for (const [name, value] of Object.entries(patch)) {
    if (value === null || name === RETAIN_KEYS) continue;
    if (name.startsWith(SET_ORDER) || name.startsWith(DELETE_FROM)) continue;
    if (!keys.includes(name)) throw badRequest("invalid patch format of retainKeys");
  }
  if (!original || Object.keys(original).every((name) => keys.includes(name))) return original;
  return Object.fromEntries(Object.entries(original).filter(([name]) => keys.includes(name)));
}

function mergeOrdered(
  changes: Changes,
  name: string,
  order: unknown,
  patch: unknown,
  schema: Schema | undefined,
): void {
  if (!name) throw badRequest("invalid patch format of setElementOrder list");
  if (!isArray(order)) throw wrongKind("slice", order);
  const live = changes.get(name);
  if (live !== undefined && live !== null && !isArray(live)) throw wrongKind("slice", live);
  if (patch === null) {
    changes.remove(name);
    return;
  }
  if (patch !== undefined && !isArray(patch)) throw wrongKind("slice", patch);
  if (!live && !patch) return;
  const rule = listRule(fieldOf(schema, name), name, order);
  changes.set(name, unlessEqual(live, mergeList(live ?? undefined, patch, rule)));
}

function mergeValue(original: unknown, patch: unknown, field: Field | undefined): unknown {
  if (isObject(patch)) {
    const replace = patchStrategyOf(field).includes("replace");
    const target = isObject(original) && !replace ? original : undefined;
    const merged = mergeObject(target, patch, field?.schema);
    return unlessEqual(original, merged);
  }
  if (isArray(patch)) {
    const target = isArray(original) ? original : undefined;
    return unlessEqual(original, mergeList(target, patch, listRule(field, "", undefined)));
  }
  return patch;
}

function listRule(
  field: Field | undefined,
  name: string,
  order: readonly unknown[] | undefined,
): ListRule {
  if (order && !field) {
    throw unexplained(`unable to find api field in struct for the json field "${name}"`);
  }
  const items = field?.schema.type === "array" ? field.schema.items : undefined;
  return {
    merge: patchStrategyOf(field).includes("merge"),
    ...(field?.patchMergeKey !== undefined ? { mergeKey: field.patchMergeKey } : {}),
    ...(order ? { order } : {}),
    mergeItem: (original, patch) => mergeObject(original, patch, items),
  };
}

function deleteScalars(changes: Changes, name: string, value: unknown): void {
  if (!name || !isArray(value)) throw badRequest("invalid patch format of primitive list");
  const live = changes.get(name);
  if (!isArray(live)) return;
  const kept = live.filter((item) => !value.includes(item));
  if (kept.length < live.length) changes.set(name, kept);
}

/** Keeps the original where the merge came to the same, so that sharing goes on. */
function unlessEqual(original: unknown, merged: unknown): unknown {
  return jsonEqual(original, merged) ? original : merged;
}

function wrongKind(expected: string, actual: unknown): Error {
  const kinds: Record<string, string> = { object: "map", array: "slice", number: "float64" };
  const kind = kindOfJson(actual);
  return unexplained(`expected a ${expected}, but received a ${kinds[kind] ?? kind}`);
}
