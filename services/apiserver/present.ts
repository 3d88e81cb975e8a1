import { encodeObject } from "../../shared/api/encode.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { KindTable } from "../../shared/api/schema.ts";
import type { Entry } from "../../shared/store/view.ts";
import { fromStored } from "./stored.ts";

/** The entry in the version of the table: the stored bytes, except for newer Events. */
export function entryBytes(table: KindTable, entry: Entry): Buffer {
  if (!table.storedAs) return entry.bytes;
  return Buffer.from(JSON.stringify(fromStored(table, entry.object)));
}

/** `PartialObjectMetadata` of an object. */
export function partialMetadata(object: KubernetesObject): Buffer {
  const partial = { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1" };
  return Buffer.from(JSON.stringify({ ...partial, metadata: object.metadata }));
}

/** An entry whose object is in the table's version, for what reads objects (Table columns). */
export function presentedEntry(table: KindTable, entry: Entry): Entry {
  if (!table.storedAs) return entry;
  const object = fromStored(table, entry.object);
  const { key, resource, namespace, name, revision, headers, time } = entry;
  return {
    key,
    resource,
    namespace,
    name,
    revision,
    headers,
    time,
    object,
    get bytes() {
      return Buffer.from(JSON.stringify(object));
    },
  };
}

/** The answered form of an object that was not stored (dry run): as encoded, with its version. */
export function unstoredBytes(object: KubernetesObject, version: string): Buffer {
  if (version === "") return encodeObject(object);
  return Buffer.from(
    JSON.stringify({ ...object, metadata: { ...object.metadata, resourceVersion: version } }),
  );
}
