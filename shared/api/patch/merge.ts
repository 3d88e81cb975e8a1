import { badRequest } from "../errors.ts";
import { getField, isObject, type JsonObject, kindOfJson, setField } from "./json-value.ts";

/**
 * JSON merge patch (RFC 7386): `null` removes a field, objects merge, everything else replaces.
 * The document may be frozen; what the patch does not touch is shared with the result, and a patch
 * that changes nothing answers the document itself.
 * @throws StatusError BadRequest when the patch is not an object.
 */
export function applyMergePatch<T extends object>(document: T, patch: unknown): T {
  if (!isObject(patch)) {
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${kindOfJson(patch)} into Go value of type ` +
        "map[string]interface {}",
    );
  }
  return merge(document as JsonObject, patch) as T;
}

function merge(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const base: JsonObject = isObject(target) ? target : {};
  let result: Record<string, unknown> | undefined = base === target ? undefined : {};
  for (const name of Object.keys(patch)) {
    const value = getField(patch, name);
    if (value === null) {
      if (!Object.hasOwn(result ?? base, name)) continue;
      result ??= { ...base };
      delete result[name];
      continue;
    }
    const before = getField(base, name);
    const after = merge(before, value);
    if (after === before) continue;
    result ??= { ...base };
    setField(result, name, after);
  }
  return result ?? base;
}
