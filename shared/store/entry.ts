import { parseKey } from "../api/key.ts";
import type { KubernetesObject, ObjectMeta } from "../api/object.ts";
import { type Parts, partOf, partsOf } from "../api/parts.ts";
import { setField } from "../api/patch/json-value.ts";
import { keptBytes } from "../runtime/kept-bytes.ts";
import type { Decodable, DecodedObjects } from "./decoded.ts";
import { freezeJson } from "./freeze.ts";
import { memberOf } from "./scan.ts";
import type { Key, Revision, Version, WriteHeaders } from "./store.ts";
import type { Entry } from "./view.ts";

const METADATA = Buffer.from('"metadata":{');
const CLOSING_BRACE = 0x7d;

/** One version of one object. The only Entry implementation. */
export class ObjectEntry implements Entry, Decodable, Parts {
  readonly key: Key;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly revision: Revision;
  readonly bytes: Buffer;
  readonly headers: WriteHeaders;
  readonly time: number;
  usedAt = 0;
  readonly #decoded: DecodedObjects;
  #object: KubernetesObject | undefined;
  /** What the last `facts` asked for made of the object, and who made it. */
  #facts: unknown;
  #factsBy: unknown;

  private constructor(identity: Identity, version: Stamp, bytes: Buffer, decoded: DecodedObjects) {
    this.key = identity.key;
    this.resource = identity.resource;
    this.namespace = identity.namespace;
    this.name = identity.name;
    this.revision = version.revision;
    this.headers = version.headers;
    this.time = version.time;
    this.bytes = bytes;
    this.#decoded = decoded;
  }

  /** The entry of a version with a value. `old` only lends its strings, to save memory. */
  static of(
    version: Version & { value: Buffer },
    old: Entry | undefined,
    decoded: DecodedObjects,
  ): ObjectEntry {
    const identity = old ?? { key: version.key, ...parseKey(version.key) };
    const bytes = withResourceVersion(version.value, version.revision);
    return new ObjectEntry(identity, version, bytes, decoded);
  }

  /** The last state of a deleted object, at the revision of its deletion. */
  static deleted(version: Stamp, old: Entry, decoded: DecodedObjects): Entry {
    const bytes = withResourceVersion(withoutResourceVersion(old), version.revision);
    return new ObjectEntry(old, version, bytes, decoded);
  }

  get object(): KubernetesObject {
    this.usedAt = this.#decoded.age;
    return this.#object ?? this.decode();
  }

  /** Decodes the object, so that it need not be done later. */
  decode(): KubernetesObject {
    const object = JSON.parse(this.bytes.toString()) as KubernetesObject;
    if (this.#decoded.freeze) freezeJson(object);
    this.#hold(object);
    return object;
  }

  /**
   * Spares decoding: takes over the object that the stored value was encoded from. Nobody may
   * change it any more: what of it is not frozen yet is frozen. Objects that their JSON does not
   * say exactly are left alone, and all of them in a projection that does not freeze.
   */
  adopt(object: KubernetesObject): void {
    if (!this.#decoded.freeze) return;
    const whole = withVersion(object, this.revision);
    if (whole !== undefined && freezeJson(whole)) this.#hold(whole);
  }

  #hold(object: KubernetesObject): void {
    this.#object = object;
    this.usedAt = this.#decoded.age;
    this.#decoded.add(this);
  }

  /**
   * The object's metadata, for the indexes. Unless the object has been decoded, only this part is,
   * and not kept: a third of the time of decoding and freezing all of a pod, and none of its
   * memory.
   */
  get metadata(): Readonly<Partial<ObjectMeta>> {
    return (this.part("metadata") as ObjectMeta | undefined) ?? {};
  }

  /** A part of the object, decoded and not kept, unless all of it has been. */
  part(name: string, member?: string): unknown {
    if (this.#object !== undefined) return partOf(this.#object, name, member);
    const bytes = memberOf(this.bytes, name, member);
    return bytes && JSON.parse(bytes.toString());
  }

  /** What `make` makes of the object; kept, the object need not be. */
  facts<T, F>(make: (object: T) => F): F {
    if (this.#factsBy === make) return this.#facts as F;
    const facts = make((this.#object ?? this.decode()) as T);
    this.#facts = facts;
    this.#factsBy = make;
    return facts;
  }

  /** Lets go of the decoded object, because the entry has been replaced. */
  forgetObject(): void {
    if (this.#object === undefined) return;
    this.#object = undefined;
    this.#decoded.remove(this);
  }

  release(): void {
    this.#object = undefined;
  }
}

/** What `make` makes of the entry's object: see `Snapshot.ownedFacts`. */
export function factsOf<T, F>(entry: Entry, make: (object: T) => F): F {
  return entry instanceof ObjectEntry ? entry.facts(make) : make(entry.object as T);
}

/** Parts of the entry's object, which is not decoded for them. */
export function partsOfEntry(entry: Entry): Parts {
  return entry instanceof ObjectEntry ? entry : partsOf(entry.object);
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
  const copy = keptBytes.allocate(value.length + field.length);
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

/** The object as its entry's bytes have it: its resourceVersion first in its metadata. */
function withVersion(object: KubernetesObject, revision: Revision): KubernetesObject | undefined {
  const { metadata } = object;
  if (typeof metadata !== "object" || metadata === null) return undefined;
  const versioned = { resourceVersion: String(revision) } as ObjectMeta;
  copyDefined(metadata, versioned, "resourceVersion");
  const whole = { kind: object.kind, apiVersion: object.apiVersion, metadata: versioned };
  copyDefined(object, whole, "metadata");
  return whole as KubernetesObject;
}

function copyDefined(from: object, to: object, but: string): void {
  const source = from as Readonly<Record<string, unknown>>;
  const target = to as Record<string, unknown>;
  for (const name in source) {
    if (name !== but && source[name] !== undefined) setField(target, name, source[name]);
  }
}
