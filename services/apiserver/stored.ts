import type { KubernetesObject } from "../../shared/api/object.ts";
import type { KindTable } from "../../shared/api/schema.ts";

/** Fields of a core/v1 Event and their names in events.k8s.io/v1. */
const EVENT_FIELDS: readonly (readonly [core: string, newer: string])[] = [
  ["message", "note"],
  ["involvedObject", "regarding"],
  ["source", "deprecatedSource"],
  ["firstTimestamp", "deprecatedFirstTimestamp"],
  ["lastTimestamp", "deprecatedLastTimestamp"],
  ["count", "deprecatedCount"],
  ["reportingComponent", "reportingController"],
];

const TO_CORE = new Map(EVENT_FIELDS.map(([core, newer]) => [newer, core]));
const FROM_CORE = new Map(EVENT_FIELDS);

/** The form in which an object of the kind is stored; itself for all kinds but newer Events. */
export function toStored(table: KindTable, object: KubernetesObject): KubernetesObject {
  if (!table.storedAs) return object;
  return { ...renamed(object, TO_CORE), kind: object.kind, apiVersion: "v1" };
}

/** The stored object in the kind's own version. */
export function fromStored(table: KindTable, object: KubernetesObject): KubernetesObject {
  if (!table.storedAs) return object;
  const apiVersion = `${table.group}/${table.version}`;
  return { ...renamed(object, FROM_CORE), kind: object.kind, apiVersion };
}

function renamed(object: KubernetesObject, names: ReadonlyMap<string, string>): KubernetesObject {
  const entries = Object.entries(object).map(([name, value]) => [names.get(name) ?? name, value]);
  return Object.fromEntries(entries) as KubernetesObject;
}
