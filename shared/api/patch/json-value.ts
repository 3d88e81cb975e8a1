/** What patches know of JSON values: kinds, equality, and how Go prints them in messages. */

export type JsonObject = { readonly [field: string]: unknown };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isArray(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

/** Structural equality of JSON values; the same reference is equal without a look inside. */
export function jsonEqual(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) {
    return false;
  }
  if (Array.isArray(left)) {
    if (!Array.isArray(right) || left.length !== right.length) return false;
    for (let index = 0; index < left.length; index++) {
      if (!jsonEqual(left[index], right[index])) return false;
    }
    return true;
  }
  if (Array.isArray(right)) return false;
  const fields = left as JsonObject;
  const others = right as JsonObject;
  let count = 0;
  for (const name in fields) {
    if (fields[name] === undefined) continue;
    count++;
    if (!jsonEqual(fields[name], others[name])) return false;
  }
  for (const name in others) if (others[name] !== undefined) count--;
  return count === 0;
}

/** A JSON value's kind as Go's JSON decoder names it in its errors. */
export function kindOfJson(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value === "boolean" ? "bool" : typeof value;
}

/** A JSON value as Go's `%v` prints it, e.g. `map[name:web ports:[80 443]]`. */
export function goFormat(value: unknown): string {
  if (value === null || value === undefined) return "<nil>";
  if (isArray(value)) return `[${value.map(goFormat).join(" ")}]`;
  if (!isObject(value)) return String(value);
  const fields = Object.keys(value).sort();
  return `map[${fields.map((name) => `${name}:${goFormat(value[name])}`).join(" ")}]`;
}

/**
 * Sets a field of an object that this module made. `__proto__` is an ordinary field name in JSON,
 * so it must not go through assignment.
 */
export function setField(target: Record<string, unknown>, name: string, value: unknown): void {
  if (name === "__proto__") {
    Object.defineProperty(target, name, {
      value,
      enumerable: true,
      writable: true,
      configurable: true,
    });
  } else {
    target[name] = value;
  }
}

/** A field of a JSON object, never one of its prototype. */
export function getField(source: JsonObject, name: string): unknown {
  return Object.hasOwn(source, name) ? source[name] : undefined;
}
