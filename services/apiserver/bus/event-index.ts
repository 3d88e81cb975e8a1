import { parseKey } from "../../../shared/api/key.ts";
import type { Key } from "../../../shared/store/store.ts";
import type { Change, ProjectionReader } from "../../../shared/store/view.ts";

/** Behind the dot of an event's name: digits of the time, then of what is said. */
export const TIME_DIGITS = 12;
export const DIGEST_DIGITS = 4;

/**
 * Events by what they are about and the digest of what they say. Thousands of events may be about
 * one object, so that the order of their names is of no help in finding the one that says the same.
 */
export class EventIndex {
  /** By a hash of both; nothing is kept of hundred thousands of events but their keys. */
  readonly #keys = new Map<number, Key | Key[]>();

  constructor(projection: ProjectionReader) {
    for (const { key } of projection.list("events")) this.#add(key);
    projection.subscribe("events", (change) => this.#changed(change));
  }

  /** Names of the events, oldest first; `name` is of the object that they are about. */
  find(namespace: string, name: string, digest: string): readonly string[] {
    const id = idOf(namespace, name, digest);
    const names: string[] = [];
    for (const key of this.#at(hashOf(id))) {
      const place = placeOf(key);
      if (place?.id === id) names.push(place.name);
    }
    return names.sort();
  }

  #changed({ type, entry }: Change): void {
    if (type === "ADDED") this.#add(entry.key);
    else if (type === "DELETED") this.#remove(entry.key);
  }

  #add(key: Key): void {
    const place = placeOf(key);
    if (place === undefined) return;
    const hash = hashOf(place.id);
    const keys = this.#keys.get(hash);
    if (keys === undefined) this.#keys.set(hash, key);
    else if (typeof keys === "string") this.#keys.set(hash, [keys, key]);
    else keys.push(key);
  }

  #remove(key: Key): void {
    const place = placeOf(key);
    if (place === undefined) return;
    const hash = hashOf(place.id);
    const left = this.#at(hash).filter((other) => other !== key);
    if (left.length > 0) this.#keys.set(hash, left);
    else this.#keys.delete(hash);
  }

  #at(hash: number): readonly Key[] {
    const keys = this.#keys.get(hash) ?? [];
    return typeof keys === "string" ? [keys] : keys;
  }
}

/** undefined: not one of the names that are given here. */
function placeOf(key: Key): { id: string; name: string } | undefined {
  const { namespace, name } = parseKey(key);
  const dot = name.length - TIME_DIGITS - DIGEST_DIGITS - 1;
  if (dot < 1 || name[dot] !== ".") return undefined;
  return { id: idOf(namespace, name.slice(0, dot), name.slice(-DIGEST_DIGITS)), name };
}

function idOf(namespace: string, name: string, digest: string): string {
  return `${namespace}/${name}.${digest}`;
}

/** FNV-1a, as many bits of it as V8 keeps without an object. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash & 0x3fffffff;
}
