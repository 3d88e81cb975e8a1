import { parseKey } from "../api/key.ts";
import type { KubernetesObject, ObjectMeta } from "../api/object.ts";
import type { Key, Revision, Version, WriteHeaders } from "./store.ts";
import type { Entry } from "./view.ts";

const METADATA = Buffer.from('"metadata":{');
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** How the entries of a projection decode their objects. */
export interface Decoding {
  /** Freeze what was decoded. */
  readonly freeze: boolean;
  /** Bounds how many stay decoded; absent: all. */
  readonly kept?: DecodedEntries;
}

/**
 * The entries that were decoded last, so many of them: the one that falls out lets go of its
 * object. A decoded object takes several times the memory of its bytes.
 */
export class DecodedEntries {
  readonly #entries: (ObjectEntry | undefined)[];
  #next = 0;

  constructor(max: number) {
    this.#entries = new Array<ObjectEntry | undefined>(max).fill(undefined);
  }

  add(entry: ObjectEntry): void {
    this.#entries[this.#next]?.forgetObject();
    this.#entries[this.#next] = entry;
    this.#next = (this.#next + 1) % this.#entries.length;
  }
}

/** One version of one object. The only Entry implementation. */
export class ObjectEntry implements Entry {
  readonly key: Key;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly revision: Revision;
  readonly bytes: Buffer;
  readonly headers: WriteHeaders;
  readonly time: number;
  readonly #decoding: Decoding;
  #object: KubernetesObject | undefined;

  private constructor(identity: Identity, version: Stamp, bytes: Buffer, decoding: Decoding) {
    this.key = identity.key;
    this.resource = identity.resource;
    this.namespace = identity.namespace;
    this.name = identity.name;
    this.revision = version.revision;
    this.headers = version.headers;
    this.time = version.time;
    this.bytes = bytes;
    this.#decoding = decoding;
  }

  /** The entry of a version with a value. `old` only lends its strings, to save memory. */
  static of(
    version: Version & { value: Buffer },
    old: Entry | undefined,
    decoding: Decoding,
  ): ObjectEntry {
    const identity = old ?? { key: version.key, ...parseKey(version.key) };
    const bytes = withResourceVersion(version.value, version.revision);
    return new ObjectEntry(identity, version, bytes, decoding);
  }

  /** The last state of a deleted object, at the revision of its deletion. */
  static deleted(version: Stamp, old: Entry, decoding: Decoding): Entry {
    const bytes = withResourceVersion(withoutResourceVersion(old), version.revision);
    return new ObjectEntry(old, version, bytes, decoding);
  }

  get object(): KubernetesObject {
    return this.#object ?? this.decode();
  }

  /** Decodes the object, so that it need not be done later. */
  decode(): KubernetesObject {
    this.#object = JSON.parse(this.bytes.toString()) as KubernetesObject;
    if (this.#decoding.freeze) deepFreeze(this.#object);
    this.#decoding.kept?.add(this);
    return this.#object;
  }

  /**
   * The object's metadata, for the indexes. Unless the object has been decoded, only this part is,
   * and not kept: a third of the time of decoding and freezing all of a pod, and none of its
   * memory.
   */
  get metadata(): Readonly<Partial<ObjectMeta>> {
    if (this.#object === undefined) {
      const part = metadataOf(this.bytes);
      if (part) return JSON.parse(part.toString()) as ObjectMeta;
    }
    return this.object.metadata ?? {};
  }

  /** Lets go of the decoded object; the next use decodes it again. */
  forgetObject(): void {
    this.#object = undefined;
  }
}

type Identity = Pick<Entry, "key" | "resource" | "namespace" | "name">;
type Stamp = Pick<Version, "revision" | "headers" | "time">;

/** A copy of the encoded object with its resourceVersion as the first field of its metadata. */
function withResourceVersion(value: Buffer, revision: Revision): Buffer {
  const start = value.indexOf(METADATA);
  // Whatever is not a Kubernetes object is kept as it is.
  const at = start < 0 ? value.length : start + METADATA.length;
  const separator = value[at] === CLOSING_BRACE ? "" : ",";
  const field = start < 0 ? "" : `${resourceVersionField(revision)}${separator}`;
  // Never from Node's shared pool: an entry lives long and would keep its neighbours' memory.
  const copy = Buffer.allocUnsafeSlow(value.length + field.length);
  value.copy(copy, 0, 0, at);
  copy.write(field, at, "latin1");
  value.copy(copy, at + field.length, at);
  return copy;
}

/** The encoded object as it was stored: the way back from `withResourceVersion`. */
function withoutResourceVersion(entry: Entry): Buffer {
  const { bytes } = entry;
  const start = bytes.indexOf(METADATA);
  if (start < 0) return bytes;
  const at = start + METADATA.length;
  const field = resourceVersionField(entry.revision).length;
  const rest = bytes[at + field] === CLOSING_BRACE ? at + field : at + field + 1;
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(rest)]);
}

function resourceVersionField(revision: Revision): string {
  return `"resourceVersion":"${revision}"`;
}

/** The bytes of the encoded object's metadata. */
function metadataOf(bytes: Buffer): Buffer | undefined {
  const field = bytes.indexOf(METADATA);
  if (field < 0) return undefined;
  const start = field + METADATA.length - 1;
  let depth = 0;
  let inText = false;
  for (let index = start; index < bytes.length; index += 1) {
    const byte = bytes[index];
    if (inText) {
      if (byte === BACKSLASH) index += 1;
      else if (byte === QUOTE) inText = false;
    } else if (byte === QUOTE) inText = true;
    else if (byte === OPENING_BRACE) depth += 1;
    else if (byte === CLOSING_BRACE) {
      depth -= 1;
      if (depth === 0) return bytes.subarray(start, index + 1);
    }
  }
  return undefined;
}

function deepFreeze(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  Object.freeze(value);
  if (Array.isArray(value)) {
    for (const item of value) deepFreeze(item);
    return;
  }
  for (const key in value) deepFreeze((value as Record<string, unknown>)[key]);
}
