import type { Key, Write, WriteHeaders } from "../shared/store/store.ts";

interface Commit {
  readonly writes: readonly Write[];
  readonly headers: WriteHeaders;
}

/** The actor of requests that came over HTTPS. */
const PERSON = "user";

export function isPerson({ actor }: WriteHeaders): boolean {
  return actor === PERSON;
}

/**
 * In order, but what clients wait for goes before what controllers have in hundreds: up to so many
 * writes, and never past an earlier commit of the same key.
 */
export function peopleFirst<C extends Commit>(queue: readonly C[], writesMax: number): C[] {
  const first: C[] = [];
  const others: C[] = [];
  const passed = new Set<Key>();
  let writes = 0;
  for (const commit of queue) {
    const fits = isPerson(commit.headers) && writes + commit.writes.length <= writesMax;
    if (fits && !commit.writes.some(({ key }) => passed.has(key))) {
      first.push(commit);
      writes += commit.writes.length;
      continue;
    }
    others.push(commit);
    for (const { key } of commit.writes) passed.add(key);
  }
  return [...first, ...others];
}
