import { parseKey } from "../../../shared/api/key.ts";
import type { Change, ProjectionReader } from "../../../shared/store/view.ts";

/** Behind the dot of an event's name: digits of the time, then of what is said. */
export const TIME_DIGITS = 12;
export const DIGEST_DIGITS = 4;

/**
 * Events by what they are about and the digest of what they say. Thousands of events may be about
 * one object, so that the order of their names is of no help in finding the one that says the same.
 */
export class EventIndex {
  readonly #names = new Map<string, readonly string[]>();

  constructor(projection: ProjectionReader) {
    for (const { key } of projection.list("events")) this.#add(key);
    projection.subscribe("events", (change) => this.#changed(change));
  }

  /** Names of the events, oldest first; `name` is of the object that they are about. */
  find(namespace: string, name: string, digest: string): readonly string[] {
    return this.#names.get(`${namespace}/${name}.${digest}`) ?? [];
  }

  #changed({ type, entry }: Change): void {
    if (type === "ADDED") this.#add(entry.key);
    else if (type === "DELETED") this.#remove(entry.key);
  }

  #add(key: string): void {
    const place = placeOf(key);
    if (place === undefined) return;
    const { id, name } = place;
    const names = this.#names.get(id);
    if (names === undefined) this.#names.set(id, [name]);
    else if (!names.includes(name)) this.#names.set(id, [...names, name].sort());
  }

  #remove(key: string): void {
    const place = placeOf(key);
    if (place === undefined) return;
    const left = (this.#names.get(place.id) ?? []).filter((name) => name !== place.name);
    if (left.length > 0) this.#names.set(place.id, left);
    else this.#names.delete(place.id);
  }
}

/** undefined: not one of the names that are given here. */
function placeOf(key: string): { id: string; name: string } | undefined {
  const { namespace, name } = parseKey(key);
  const dot = name.length - TIME_DIGITS - DIGEST_DIGITS - 1;
  if (dot < 1 || name[dot] !== ".") return undefined;
  return { id: `${namespace}/${name.slice(0, dot)}.${name.slice(-DIGEST_DIGITS)}`, name };
}
