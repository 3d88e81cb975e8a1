/**
 * Whether two parts of objects mean the same: what is empty (no value, null, "", [], {}) is as good
 * as absent. Both are in stored form, where equal quantities and times are spelled alike.
 */
export function sameMeaning(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (isEmpty(a) || isEmpty(b)) return isEmpty(a) && isEmpty(b);
  if (typeof a !== "object" || typeof b !== "object") return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((member, index) => sameMeaning(member, b[index]));
  }
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  for (const key in left) if (!sameMeaning(left[key], right[key])) return false;
  for (const key in right) if (!(key in left) && !isEmpty(right[key])) return false;
  return true;
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === "") return true;
  if (typeof value !== "object") return false;
  if (Array.isArray(value)) return value.length === 0;
  for (const key in value) if (!isEmpty((value as Record<string, unknown>)[key])) return false;
  return true;
}

/** The paths at which two values differ, with what is there, for people to read. */
export function differences(before: unknown, after: unknown, path: string, limit = 10): string[] {
  const found: string[] = [];
  collect(before, after, path, found);
  const more = found.length - limit;
  return more > 0 ? [...found.slice(0, limit), `... and ${more} more`] : found;
}

function collect(before: unknown, after: unknown, path: string, found: string[]): void {
  if (sameMeaning(before, after)) return;
  if (isPlain(before) && isPlain(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      collect(before[key], after[key], `${path}.${key}`, found);
    }
  } else if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
    before.forEach((member, index) => {
      collect(member, after[index], `${path}[${index}]`, found);
    });
  } else found.push(`${path}: ${print(before)} -> ${print(after)}`);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function print(value: unknown): string {
  return value === undefined ? "<unset>" : JSON.stringify(value);
}
