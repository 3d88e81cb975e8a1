import { parseKey } from "../api/key.ts";
import type { KubernetesObject, ObjectMeta } from "../api/object.ts";
import { type Parts, partOf, partsOf } from "../api/parts.ts";
import { setField } from "../api/patch/json-value.ts";
import { flatText, sharedText } from "../runtime/shared-text.ts";
import type { Decodable, DecodedObjects } from "./decoded.ts";
import { freezeJson } from "./freeze.ts";
import { memberOf } from "./scan.ts";
import type { Resident, Slab, Slabs } from "./slabs.ts";
import type { Key, Revision, Version, WriteHeaders } from "./store.ts";
import type { Entry } from "./view.ts";

const METADATA = Buffer.from('"metadata":{');
const CLOSING_BRACE = 0x7d;
const TIME_BYTES = 8;

/** What the entries of a projection have in common. */
export interface EntryMemory {
  readonly decoded: DecodedObjects;
  readonly slabs: Slabs;
}

/**
 * One version of one object. The only Entry of a projection: hundreds of thousands of them are
 * kept, so that each is one object beside its key. Time, trace and bytes lie in a slab.
 */
export class ObjectEntry implements Entry, Decodable, Parts, Resident {
  readonly key: Key;
  readonly resource: string;
  readonly namespace: string;
  readonly revision: Revision;
  readonly size: number;
  usedAt = 0;
  readonly #memory: EntryMemory;
  readonly #actor: string;
  readonly #replica: string;
  readonly #cause: Revision;
  #slab: Slab;
  /** Where in the slab what it has there begins, and the bytes of the object. */
  #start: number;
  #bytesStart: number;
  #isKept = false;
  #object: KubernetesObject | undefined;
  /** What the last `facts` asked for made of the object, and who made it. */
  #facts: unknown;
  #factsBy: unknown;

  private constructor(identity: Identity, version: Stamp, value: Buffer, memory: EntryMemory) {
    const { revision, headers, time } = version;
    this.key = identity.key;
    this.resource = identity.resource;
    this.namespace = identity.namespace;
    this.revision = revision;
    this.#actor = headers.actor;
    this.#replica = headers.replica;
    this.#cause = headers.cause;
    this.#memory = memory;
    const place = placeOf(value, revision);
    this.size = value.length + place.field.length;
    const traceLength = Buffer.byteLength(headers.trace);
    const length = TIME_BYTES + traceLength + this.size;
    this.#slab = memory.slabs.for(length);
    this.#start = this.#slab.take(length);
    this.#bytesStart = this.#start + TIME_BYTES + traceLength;
    const to = this.#slab.memory;
    to.writeDoubleLE(time, this.#start);
    to.write(headers.trace, this.#start + TIME_BYTES);
    value.copy(to, this.#bytesStart, 0, place.at);
    to.write(place.field, this.#bytesStart + place.at, "latin1");
    value.copy(to, this.#bytesStart + place.at + place.field.length, place.at);
  }

  /** The entry of a version with a value. `old` only lends its strings, to save memory. */
  static of(
    version: Version & { value: Buffer },
    old: Entry | undefined,
    memory: EntryMemory,
  ): ObjectEntry {
    return new ObjectEntry(old ?? identityOf(version.key), version, version.value, memory);
  }

  /** The last state of a deleted object, at the revision of its deletion. */
  static deleted(version: Stamp, old: ObjectEntry, memory: EntryMemory): ObjectEntry {
    return new ObjectEntry(old, version, withoutResourceVersion(old), memory);
  }

  get name(): string {
    return this.key.slice(this.key.lastIndexOf("/") + 1);
  }

  get bytes(): Buffer {
    return this.#slab.memory.subarray(this.#bytesStart, this.#bytesStart + this.size);
  }

  get time(): number {
    return this.#slab.memory.readDoubleLE(this.#start);
  }

  get headers(): WriteHeaders {
    const { memory } = this.#slab;
    const trace = memory.toString("utf8", this.#start + TIME_BYTES, this.#bytesStart);
    return { actor: this.#actor, replica: this.#replica, trace, cause: this.#cause };
  }

  get slab(): Slab {
    return this.#slab;
  }

  /** Its bytes are to be kept until `leave`. To be called once, as is `leave` after it. */
  keep(): void {
    this.#isKept = true;
    this.#slab.enter(this, this.#length);
  }

  /** Nobody will ask for its bytes any more but those who hold the entry already. */
  leave(): void {
    this.#isKept = false;
    this.#slab.leave(this.#length);
  }

  move(): void {
    if (!this.#isKept) return;
    const length = this.#length;
    const slab = this.#memory.slabs.for(length);
    const start = slab.take(length);
    this.#slab.memory.copy(slab.memory, start, this.#start, this.#start + length);
    this.#bytesStart += start - this.#start;
    this.#start = start;
    this.#slab = slab;
    slab.enter(this, length);
  }

  get #length(): number {
    return this.#bytesStart - this.#start + this.size;
  }

  get object(): KubernetesObject {
    this.usedAt = this.#memory.decoded.age;
    return this.#object ?? this.decode();
  }

  /** Decodes the object, so that it need not be done later. */
  decode(): KubernetesObject {
    const end = this.#bytesStart + this.size;
    const text = this.#slab.memory.toString("utf8", this.#bytesStart, end);
    const object = JSON.parse(text) as KubernetesObject;
    if (this.#memory.decoded.freeze) freezeJson(object);
    this.#hold(object);
    return object;
  }

  /**
   * Spares decoding: takes over the object that the stored value was encoded from. Nobody may
   * change it any more: what of it is not frozen yet is frozen. Objects that their JSON does not
   * say exactly are left alone, and all of them in a projection that does not freeze.
   */
  adopt(object: KubernetesObject): void {
    if (!this.#memory.decoded.freeze) return;
    const whole = withVersion(object, this.revision);
    if (whole !== undefined && freezeJson(whole)) this.#hold(whole);
  }

  #hold(object: KubernetesObject): void {
    this.#object = object;
    this.usedAt = this.#memory.decoded.age;
    this.#memory.decoded.add(this);
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
    this.#memory.decoded.remove(this);
  }

  release(): void {
    this.#object = undefined;
  }
}

/** What `make` makes of the entry's object: see `Snapshot.ownedFacts`. */
export function factsOf<T, F>(entry: Entry, make: (object: T) => F): F {
  return entry instanceof ObjectEntry ? entry.facts(make) : make(entry.object as T);
}

/** How many bytes the entry has; a projection's entry makes no Buffer for it. */
export function sizeOf(entry: Entry): number {
  return entry instanceof ObjectEntry ? entry.size : entry.bytes.length;
}

/** Parts of the entry's object, which is not decoded for them. */
export function partsOfEntry(entry: Entry): Parts {
  return entry instanceof ObjectEntry ? entry : partsOf(entry.object);
}

type Identity = Pick<Entry, "key" | "resource" | "namespace">;
type Stamp = Pick<Version, "revision" | "headers" | "time">;

function identityOf(key: Key): Identity {
  const { resource, namespace } = parseKey(key);
  return {
    key: flatText(key),
    resource: sharedText(resource),
    namespace: sharedText(namespace),
  };
}

/** Where resourceVersion belongs in the encoded object, first in its metadata, and what it is. */
function placeOf(value: Buffer, revision: Revision): { at: number; field: string } {
  const start = value.indexOf(METADATA);
  // Whatever is not a Kubernetes object is kept as it is.
  if (start < 0) return { at: value.length, field: "" };
  const at = start + METADATA.length;
  const separator = value[at] === CLOSING_BRACE ? "" : ",";
  return { at, field: `${resourceVersionField(revision)}${separator}` };
}

/** The encoded object as it was stored: the way back from `placeOf`. */
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
