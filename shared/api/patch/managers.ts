import type { ManagedFieldsEntry } from "../object.ts";
import {
  difference,
  EMPTY_SET,
  type FieldSet,
  type FieldSetBuilder,
  isEmptySet,
  union,
} from "./field-set.ts";
import { knownText, storedSet } from "./field-text.ts";
import { isObject } from "./json-value.ts";
import { canonicalElement } from "./path-element.ts";

/** At most this many entries of ordinary writers are kept; older ones are merged into one. */
export const UPDATE_MANAGERS_MAX = 10;
/** The longest name of a manager, in bytes. */
export const MANAGER_NAME_BYTES_MAX = 128;
const OLD_UPDATES = "ancient-changes";
const PRINTABLE_ASCII = /^[ -~]*$/;
const UNPRINTABLE = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu;

/** One manager and the fields it owns. */
export interface Manager {
  readonly name: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly subresource: string;
  readonly time: string | undefined;
  readonly set: FieldSet;
  /** The entry that it was read from, and is still equal to while the set is the entry's. */
  readonly entry?: ManagedFieldsEntry;
}

/** Who wrote: the request's fieldManager, or the first part of the client's user agent. */
export function managerName(fieldManager: string | null | undefined, userAgent: string): string {
  if (fieldManager) return fieldManager;
  const end = userAgent.indexOf("/");
  const plain = end < 0 ? userAgent : userAgent.slice(0, end);
  if (plain.length <= MANAGER_NAME_BYTES_MAX && PRINTABLE_ASCII.test(plain)) return plain;
  return printableStart(plain);
}

function printableStart(text: string): string {
  let name = "";
  let bytes = 0;
  for (const character of text.replaceAll(UNPRINTABLE, "")) {
    bytes += Buffer.byteLength(character);
    if (bytes > MANAGER_NAME_BYTES_MAX) break;
    name += character;
  }
  return name;
}

/**
 * What makes an entry one's own: name, operation and subresource, and for updates the version.
 * Also the order in which conflicts are told.
 */
export function identityOf(manager: Manager): string {
  const version = manager.operation === "Apply" ? "" : manager.apiVersion;
  return `${manager.name}\0${manager.operation}\0${version}\0${manager.subresource}`;
}

/** Reads stored or sent entries; undefined when one of them is not valid. */
export function decodeManagers(
  entries: readonly ManagedFieldsEntry[] | undefined,
): Manager[] | undefined {
  const managers: Manager[] = [];
  for (const entry of entries ?? []) {
    if (entry.operation !== "Apply" && entry.operation !== "Update") return undefined;
    if (!entry.apiVersion || entry.fieldsType !== "FieldsV1") return undefined;
    const fields = entry.fieldsV1 ?? {};
    const set = knownText(fields) === undefined ? decodeSet(fields) : (fields as FieldSet);
    if (!set) return undefined;
    managers.push({
      name: entry.manager ?? "",
      operation: entry.operation,
      apiVersion: entry.apiVersion,
      subresource: entry.subresource ?? "",
      time: entry.time,
      set,
      entry,
    });
  }
  return managers;
}

function decodeSet(fields: unknown): FieldSet | undefined {
  if (!isObject(fields)) return undefined;
  let result: FieldSetBuilder | undefined;
  for (const name in fields) {
    const element = canonicalElement(name);
    const below = decodeSet(fields[name]);
    if (element === undefined || !below) return undefined;
    if (element === name && below === fields[name]) continue;
    result ??= { ...(fields as unknown as FieldSet) };
    delete result[name];
    result[element] = below;
  }
  return result ?? (fields as unknown as FieldSet);
}

/** The entries as they are stored, in Kubernetes' order; managers without fields are left out. */
export function encodeManagers(managers: readonly Manager[]): ManagedFieldsEntry[] {
  return managers
    .filter((manager) => !isEmptySet(manager.set))
    .sort(compareManagers)
    .map(encodeManager);
}

function encodeManager(manager: Manager): ManagedFieldsEntry {
  if (manager.entry && manager.entry.fieldsV1 === (manager.set as object)) return manager.entry;
  return entryOf(manager, storedSet(manager.set));
}

/** The entry of a manager whose fields are these, in Kubernetes' order. */
export function entryOf(manager: Omit<Manager, "set">, fields: FieldSet): ManagedFieldsEntry {
  const { name, operation, apiVersion, time, subresource } = manager;
  const entry: ManagedFieldsEntry = name ? { manager: name } : {};
  entry.operation = operation;
  entry.apiVersion = apiVersion;
  if (time) entry.time = time;
  entry.fieldsType = "FieldsV1";
  entry.fieldsV1 = fields as unknown as Record<string, unknown>;
  if (subresource) entry.subresource = subresource;
  return entry;
}

function compareManagers(left: Manager, right: Manager): number {
  return (
    compareText(left.operation, right.operation) ||
    compareText(left.time ?? "", right.time ?? "") ||
    compareText(left.name, right.name) ||
    compareText(left.apiVersion, right.apiVersion) ||
    compareText(left.subresource, right.subresource)
  );
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The managers without the fields, those of the version that the fields are of. */
export function withoutFields(
  managers: readonly Manager[],
  fields: FieldSet,
  apiVersion: string,
): Manager[] {
  return managers.map((manager) => {
    if (manager.apiVersion !== apiVersion) return manager;
    const set = difference(manager.set, fields);
    return set === manager.set ? manager : { ...manager, set };
  });
}

/** Adds fields to the entry of the same identity, or a new entry; its time becomes the given. */
export function withFields(managers: readonly Manager[], added: Manager): Manager[] {
  const identity = identityOf(added);
  const result = managers.filter((manager) => identityOf(manager) !== identity);
  const own = managers.find((manager) => identityOf(manager) === identity);
  result.push({ ...added, set: union(own?.set ?? EMPTY_SET, added.set) });
  return result;
}

/** Merges the oldest update entries of a version into one until there are few enough. */
export function capped(managers: readonly Manager[]): readonly Manager[] {
  const updates = managers.filter((manager) => manager.operation === "Update");
  let excess = updates.length - UPDATE_MANAGERS_MAX;
  if (excess <= 0) return managers;
  const oldest = updates.sort(
    (left, right) =>
      compareText(left.time ?? "", right.time ?? "") ||
      compareText(identityOf(left), identityOf(right)),
  );
  const buckets = new Map<string, Manager[]>();
  for (const manager of oldest) {
    const bucket = buckets.get(manager.apiVersion);
    if (!bucket) {
      buckets.set(manager.apiVersion, [manager]);
    } else if (excess > 0) {
      bucket.push(manager);
      excess--;
    }
  }
  const merged = [...buckets.values()].filter((bucket) => bucket.length > 1);
  const gone = new Set(merged.flat());
  const result = managers.filter((manager) => !gone.has(manager));
  for (const bucket of merged) {
    const last = bucket.at(-1) as Manager;
    const set = bucket.reduce((all, manager) => union(all, manager.set), EMPTY_SET);
    const { entry: _, ...rest } = last;
    result.push({ ...rest, name: OLD_UPDATES, subresource: "", set });
  }
  return result;
}
