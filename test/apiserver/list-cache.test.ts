import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ListCache } from "../../services/apiserver/list-cache.ts";
import { DecodedObjects } from "../../shared/store/decoded.ts";
import { ObjectEntry } from "../../shared/store/entry.ts";
import { Slabs } from "../../shared/store/slabs.ts";
import type { Entry } from "../../shared/store/view.ts";

const MEMORY = {
  decoded: new DecodedObjects({ freeze: true, bytesMax: 1e6 }),
  slabs: new Slabs(),
};
const HEADERS = { actor: "", replica: "", trace: "", cause: 0 };

function entryOf(name: string, revision: number, bytes: number): Entry {
  const padding = "x".repeat(bytes);
  const value = Buffer.from(JSON.stringify({ kind: "A", metadata: { name, padding } }));
  const version = { key: `as/b/${name}`, revision, value, headers: HEADERS, time: 0, more: false };
  return ObjectEntry.of(version, undefined, MEMORY);
}

/** A list that changes, in key order, as a projection hands it out: a new array per change. */
class List {
  entries: readonly Entry[] = [];
  #revision = 0;

  put(number: number, bytes: number): void {
    const name = String(number).padStart(4, "0");
    this.#revision++;
    const others = this.entries.filter((entry) => entry.name !== name);
    const next = [...others, entryOf(name, this.#revision, bytes)];
    this.entries = next.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  remove(number: number): void {
    const name = String(number).padStart(4, "0");
    this.entries = this.entries.filter((entry) => entry.name !== name);
  }
}

class Clock {
  ms = 0;
  now = () => this.ms;
  monotonic = () => this.ms;
}

const plain = (entries: readonly Entry[]) => entries.map(({ bytes }) => String(bytes)).join(",");
const text = (items: readonly Uint8Array[] | undefined) => String(Buffer.concat(items ?? []));

describe("the cache of encoded lists", () => {
  it("shows the list as it is, whatever changed since it was asked for", () => {
    const step = fc.record({
      put: fc.boolean(),
      number: fc.nat(200),
      count: fc.integer({ min: 1, max: 30 }),
      bytes: fc.constantFrom(10, 9_000, 300_000),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const cache = new ListCache(new Clock());
        const list = new List();
        cache.items("a", list.entries);
        for (const { put, number, count, bytes } of steps) {
          for (let next = number; next < number + count; next++) {
            if (put) list.put(next, Math.min(bytes, 9_000 * (1 + (next % 4))));
            else list.remove(next);
          }
          const items = cache.items("a", list.entries);
          expect(items).toBeDefined();
          expect(text(items)).toBe(plain(list.entries));
        }
      }),
      { numRuns: 60 },
    );
  });

  it("makes only the stretch anew in which something changed", () => {
    const cache = new ListCache(new Clock());
    const list = new List();
    for (let number = 0; number < 200; number++) list.put(number, 10_000);
    cache.items("a", list.entries);
    const before = cache.items("a", list.entries) ?? [];
    expect(before.length).toBeGreaterThan(4);
    expect(cache.items("a", list.entries)?.[0]).toBe(before[0]);
    list.put(100, 10_001);
    const after = cache.items("a", list.entries) ?? [];
    expect(after).toHaveLength(before.length);
    expect(after.slice(0, -1).filter((bytes) => !before.includes(bytes))).toHaveLength(1);
  });

  it("keeps what is asked for again, within its limit, and lets go of what is not", () => {
    const clock = new Clock();
    const cache = new ListCache(clock);
    const list = new List();
    for (let number = 0; number < 20; number++) list.put(number, 1_000_000);
    expect(cache.items("a", list.entries)).toBeUndefined();
    expect(cache.items("a", list.entries)).toBeDefined();
    // Another of 20 MB: both together are too much.
    cache.items("b", [...list.entries]);
    expect(cache.items("b", list.entries)).toBeDefined();
    expect(cache.items("a", list.entries)).toBeUndefined();
    clock.ms += 3_600_000;
    expect(cache.items("b", list.entries)).toBeUndefined();
    for (let number = 20; number < 40; number++) list.put(number, 1_000_000);
    expect(cache.items("b", list.entries)).toBeUndefined();
    expect(cache.items("b", list.entries)).toBeUndefined();
  });
});
