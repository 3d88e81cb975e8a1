import type { KubernetesObject } from "./object.ts";

/**
 * The stored form of an object: JSON, `kind`, `apiVersion` and `metadata` first, without
 * `metadata.resourceVersion` (the revision of the log is it). So the bytes begin with
 * `{"kind":"Pod","apiVersion":"v1","metadata":{` and a reader can put the version behind that.
 */
export function encodeObject(object: KubernetesObject): Buffer {
  const { kind, apiVersion, metadata, ...rest } = object;
  const stored = {
    kind,
    apiVersion,
    metadata: { ...metadata, resourceVersion: undefined },
    ...rest,
  };
  return Buffer.from(JSON.stringify(stored));
}

const METADATA = Buffer.from('"metadata":{');

/** The stored form with its resourceVersion: the bytes that clients get. */
export function encodedWithRevision(stored: Uint8Array, revision: number): Buffer {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  const at = bytes.indexOf(METADATA);
  if (at < 0) throw new TypeError("not the stored form of an object");
  const head = at + METADATA.length;
  const last = bytes[head] === 0x7d; // an empty metadata
  const version = Buffer.from(`"resourceVersion":"${revision}"${last ? "" : ","}`);
  return Buffer.concat([bytes.subarray(0, head), version, bytes.subarray(head)]);
}
