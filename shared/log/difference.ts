import type { Json } from "../api/object.ts";

/** How two versions of an object differ, in fields; pure. */
export interface FieldChange {
  /** `spec.replicas`, `status.conditions[Ready].status`, `metadata.labels[app.example/name]`. */
  readonly path: string;
  /** Absent: the field was not there before. */
  readonly old?: Json;
  /** Absent: the field is not there any more. */
  readonly new?: Json;
}

/** Of the bookkeeping of the API, not of what anybody wanted. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  "metadata.managedFields",
  "metadata.resourceVersion",
]);

/** Fields by which the items of a list are told apart, the first that all items have. */
const IDENTITIES = ["type", "name", "uid", "key", "ip", "containerPort", "port", "devicePath"];

/** The fields that differ, in the order of the new object, what is gone behind it. */
export function differences(old: unknown, next: unknown): FieldChange[] {
  const changes: FieldChange[] = [];
  compare("", old as Json | undefined, next as Json | undefined, changes);
  return changes;
}

function compare(
  path: string,
  old: Json | undefined,
  next: Json | undefined,
  changes: FieldChange[],
): void {
  if (LEFT_OUT.has(path) || old === next) return;
  if (isMap(old) && isMap(next)) {
    for (const name of namesOf(old, next))
      compare(within(path, name), old[name], next[name], changes);
    return;
  }
  if (isList(old) && isList(next) && (old ?? next)?.some(isMap)) {
    compareLists(path, old ?? [], next ?? [], changes);
    return;
  }
  // Lists without objects and empty ones are compared as a whole.
  if (JSON.stringify(old) === JSON.stringify(next)) return;
  const change = {
    path,
    ...(old === undefined ? {} : { old }),
    ...(next === undefined ? {} : { new: next }),
  };
  changes.push(change);
}

function compareLists(path: string, old: Json[], next: Json[], changes: FieldChange[]): void {
  const identity = identityOf([...old, ...next], old.length);
  const before = byIdentity(old, identity);
  const after = byIdentity(next, identity);
  for (const name of new Set([...after.keys(), ...before.keys()])) {
    compare(`${path}[${name}]`, before.get(name), after.get(name), changes);
  }
}

/** The field that tells the items of both lists apart; undefined: their positions do. */
function identityOf(items: readonly Json[], split: number): string | undefined {
  return IDENTITIES.find((field) => {
    const values = items.map((item) => (isMap(item) ? item[field] : undefined));
    if (values.some((value) => typeof value !== "string" && typeof value !== "number"))
      return false;
    const [old, next] = [values.slice(0, split), values.slice(split)];
    return new Set(old).size === old.length && new Set(next).size === next.length;
  });
}

function byIdentity(items: readonly Json[], field: string | undefined): Map<string, Json> {
  return new Map(
    items.map((item, index) => [
      field !== undefined && isMap(item) ? String(item[field]) : String(index),
      item,
    ]),
  );
}

function namesOf(old: Record<string, unknown>, next: Record<string, unknown>): Iterable<string> {
  return new Set([...Object.keys(next), ...Object.keys(old)]);
}

function within(path: string, name: string): string {
  if (!/^[A-Za-z_$][\w$-]*$/.test(name)) return `${path}[${name}]`;
  return path === "" ? name : `${path}.${name}`;
}

/** What is not there is as good as an empty list. */
function isList(value: Json | undefined): value is Json[] | undefined {
  return value === undefined || Array.isArray(value);
}

function isMap(value: Json | undefined): value is { [field: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
