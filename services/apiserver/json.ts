/** A deep copy of a JSON value that may be changed; those of a projection may not. */
export function cloneJson<T>(value: T): T {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(cloneJson) as T;
  const copy: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value)) copy[name] = cloneJson(field);
  return copy as T;
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
