import type { KubernetesObject, ManagedFieldsEntry, ObjectMeta } from "./object.ts";
import { knownText } from "./patch/field-text.ts";

/**
 * The stored form of an object: JSON, `kind`, `apiVersion` and `metadata` first, without
 * `metadata.resourceVersion` (the revision of the log is it). So the bytes begin with
 * `{"kind":"Pod","apiVersion":"v1","metadata":{` and a reader can put the version behind that.
 */
export function encodeObject(object: KubernetesObject): Buffer {
  const { kind, apiVersion } = object;
  let text = `{"kind":${JSON.stringify(kind)},"apiVersion":${JSON.stringify(apiVersion)}`;
  text += `,"metadata":${metadataText(object.metadata)}`;
  for (const field in object) {
    if (field === "kind" || field === "apiVersion" || field === "metadata") continue;
    const value = JSON.stringify(object[field]);
    if (value !== undefined) text += `,${JSON.stringify(field)}:${value}`;
  }
  return Buffer.from(`${text}}`);
}

function metadataText(metadata: ObjectMeta | undefined): string {
  if (metadata === undefined) return "{}";
  const { resourceVersion: _, managedFields, ...rest } = metadata;
  const text = JSON.stringify(rest);
  if (managedFields === undefined) return text;
  const entries = `"managedFields":[${managedFields.map(entryText).join()}]}`;
  return text === "{}" ? `{${entries}` : `${text.slice(0, -1)},${entries}`;
}

/** As JSON.stringify, with the text of the fields where it is known. */
function entryText(entry: ManagedFieldsEntry): string {
  const known = entry?.fieldsV1 && knownText(entry.fieldsV1);
  if (known === undefined) return JSON.stringify(entry);
  const members: string[] = [];
  for (const name in entry) {
    const value = entry[name as keyof ManagedFieldsEntry];
    const text = name === "fieldsV1" ? known : JSON.stringify(value);
    if (text !== undefined) members.push(`${JSON.stringify(name)}:${text}`);
  }
  return `{${members.join()}}`;
}

const METADATA = '"metadata":{';

/** The stored form with its resourceVersion: the bytes that clients get. */
export function encodedWithRevision(stored: Uint8Array, revision: number): Buffer {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  const at = bytes.indexOf(METADATA);
  if (at < 0) throw new TypeError("not the stored form of an object");
  const head = at + METADATA.length;
  const last = bytes[head] === 0x7d; // an empty metadata
  const version = `"resourceVersion":"${revision}"${last ? "" : ","}`;
  const result = Buffer.allocUnsafe(bytes.length + version.length);
  bytes.copy(result, 0, 0, head);
  result.write(version, head, "latin1");
  bytes.copy(result, head + version.length, head);
  return result;
}
