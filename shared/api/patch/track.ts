import { apiVersionOf } from "../kinds.ts";
import type { KubernetesObject, ManagedFieldsEntry } from "../object.ts";
import type { KindTable } from "../schema.ts";
import { formatTime } from "../time.ts";
import { compareObjects } from "./compare.ts";
import { fieldsOfNew } from "./created.ts";
import { EMPTY_SET, type FieldSet, isEmptySet, union, withoutSubtrees } from "./field-set.ts";
import type { JsonObject } from "./json-value.ts";
import {
  capped,
  decodeManagers,
  encodeManagers,
  entryOf,
  type Manager,
  withFields,
  withoutFields,
} from "./managers.ts";

export interface TrackOptions {
  /** Who writes; see `managerName`. */
  readonly manager: string;
  /** Name of the subresource that the request is for, `""` for the object itself. */
  readonly subresource?: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

const STATUS: FieldSet = { "f:status": {} };
const ALL_BUT_STATUS: FieldSet = {
  "f:spec": {},
  "f:metadata": { "f:deletionTimestamp": {}, "f:ownerReferences": {} },
};
const ALL_BUT_STATUS_APPS: FieldSet = {
  "f:spec": {},
  "f:metadata": { "f:deletionTimestamp": {}, "f:ownerReferences": {}, "f:labels": {} },
};

/** Fields that a write through this subresource leaves as they are, so it cannot own them. */
export function ignoredFields(table: KindTable, subresource: string): FieldSet {
  if (!table.subresources.some(({ name }) => name === "status")) return EMPTY_SET;
  if (subresource === "") return STATUS;
  if (subresource !== "status") return EMPTY_SET;
  return table.group === "apps" ? ALL_BUT_STATUS_APPS : ALL_BUT_STATUS;
}

/**
 * Managed fields after an ordinary write (create, update, or any patch but apply): the writer owns
 * what it added or changed, and nobody owns what it removed. `next` is the object to be stored, as
 * it is before its managedFields are set; those that the client sent are honoured as in Kubernetes
 * (an empty list or one empty entry resets them; entries that cannot be read are ignored).
 * When nothing changed, the entries of `old` come back as they are, by reference.
 */
export function trackUpdate(
  old: KubernetesObject | undefined,
  next: KubernetesObject,
  table: KindTable,
  options: TrackOptions,
): ManagedFieldsEntry[] {
  const subresource = options.subresource ?? "";
  const kept = old?.metadata.managedFields;
  const sent = next.metadata.managedFields;
  if (old === undefined && sent === undefined && subresource === "") {
    return trackCreation(next, table, options);
  }
  const entries = subresource === "" ? sentOrKept(sent, kept) : kept;
  const managers = decodeManagers(entries) ?? [];
  // Without entries an existing object is not tracked until something applies to it.
  if (old && managers.length === 0) return [];
  const comparison = compareObjects(old as JsonObject | undefined, next, table.schema);
  const ignored = ignoredFields(table, subresource);
  const changed = withoutSubtrees(comparison.changed, ignored);
  const removed = withoutSubtrees(comparison.removed, ignored);
  if (isEmptySet(changed) && isEmptySet(removed) && entries === kept && entries) return entries;
  const apiVersion = apiVersionOf(table);
  const others = withoutFields(managers, union(changed, removed), apiVersion);
  if (isEmptySet(changed)) return encodeManagers(capped(others));
  const writer: Manager = {
    name: options.manager,
    operation: "Update",
    apiVersion,
    subresource,
    time: formatTime(options.now),
    set: changed,
  };
  return encodeManagers(capped(withFields(others, writer)));
}

/** All fields of a new object are its writer's. */
function trackCreation(
  object: KubernetesObject,
  table: KindTable,
  { manager, now }: TrackOptions,
): ManagedFieldsEntry[] {
  const set = fieldsOfNew(object, table);
  if (isEmptySet(set)) return [];
  const apiVersion = apiVersionOf(table);
  const time = formatTime(now);
  const writer = { name: manager, operation: "Update", apiVersion, subresource: "", time } as const;
  return [entryOf(writer, set)];
}

function sentOrKept(
  sent: ManagedFieldsEntry[] | undefined,
  kept: ManagedFieldsEntry[] | undefined,
): ManagedFieldsEntry[] | undefined {
  if (!sent || sent === kept) return kept;
  const first = sent[0];
  const reset = !first || (sent.length === 1 && Object.keys(first).length === 0);
  if (reset) return [];
  return decodeManagers(sent)?.length ? sent : kept;
}
