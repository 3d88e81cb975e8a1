import { apiVersionOf } from "../kinds.ts";
import type { KubernetesObject } from "../object.ts";
import type { KindTable } from "../schema.ts";
import { compareObjects } from "./compare.ts";
import { difference, EMPTY_SET, type FieldSet } from "./field-set.ts";
import { isArray, isObject, setField } from "./json-value.ts";
import { fieldSetOf, typeErrors } from "./typed.ts";

/** Where client-side apply keeps the configuration that it applied last. */
export const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";
/** What all annotations of an object may have together, in bytes. */
const ANNOTATIONS_BYTES_MAX = 256 * 1024;

/**
 * Fields that client-side apply set and that still have the value it gave them: server-side apply
 * of kubectl may take them without a conflict.
 */
export function lastAppliedFields(live: KubernetesObject | undefined, table: KindTable): FieldSet {
  const text = live?.metadata.annotations?.[LAST_APPLIED];
  if (!live || !text) return EMPTY_SET;
  const applied = parse(text);
  if (!isObject(applied) || applied["apiVersion"] !== apiVersionOf(table)) return EMPTY_SET;
  if (typeErrors(applied, table.schema).length > 0) return EMPTY_SET;
  const { changed, removed } = compareObjects(applied, live, table.schema);
  return difference(difference(fieldSetOf(applied, table.schema), changed), removed);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Where the object has the annotation of client-side apply, the object with what was applied now in
 * it, so that a later client-side apply goes on from there.
 */
export function withLastApplied(
  object: KubernetesObject,
  applied: KubernetesObject,
): KubernetesObject {
  const annotations = object.metadata.annotations;
  if (!annotations?.[LAST_APPLIED]) return object;
  const text = `${goJson(withoutLastApplied(applied))}\n`;
  const { [LAST_APPLIED]: before, ...rest } = annotations;
  if (before === text) return object;
  const all = { ...rest, [LAST_APPLIED]: text };
  const bytes = Object.entries(all).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value),
    0,
  );
  const fits = bytes <= ANNOTATIONS_BYTES_MAX;
  return { ...object, metadata: { ...object.metadata, annotations: fits ? all : rest } };
}

function withoutLastApplied(applied: KubernetesObject): unknown {
  const { annotations, ...metadata } = applied.metadata ?? {};
  if (!annotations) return applied;
  const { [LAST_APPLIED]: _, ...rest } = annotations;
  return { ...applied, metadata: { annotations: rest, ...metadata } };
}

/** JSON as Go writes maps: fields sorted, `<`, `>` and `&` escaped. */
function goJson(value: unknown): string {
  return JSON.stringify(sortFields(value)).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function sortFields(value: unknown): unknown {
  if (isArray(value)) return value.map(sortFields);
  if (!isObject(value)) return value;
  const result: Record<string, unknown> = {};
  for (const name of Object.keys(value).sort()) setField(result, name, sortFields(value[name]));
  return result;
}
