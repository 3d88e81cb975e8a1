import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ObjectEntry } from "../../shared/store/entry.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import { Projection, type ProjectionOptions } from "../../shared/store/projection.ts";
import { type Resident, type Slab, Slabs } from "../../shared/store/slabs.ts";
import { HEADERS, testRuntime } from "./harness.ts";

const KEYS = 300;

function keyOf(number: number): string {
  return `pods/default/p-${number % KEYS}`;
}

function podOf(number: number, bytes: number): Buffer {
  const filler = String(number).padEnd(bytes, "ü");
  return Buffer.from(JSON.stringify({ kind: "Pod", metadata: {}, filler }));
}

/**
 * A store of which a projection has taken `count` versions of random keys, 100 in a commit; one in
 * a hundred with so many bytes as `large`.
 */
async function written(count: number, options: Partial<ProjectionOptions>, large = 700) {
  const store = new MemoryStore(testRuntime);
  const projection = new Projection({ runtime: testRuntime, ...options });
  await projection.follow(store);
  const values = new Map<string, Buffer>();
  const [numbers] = fc.sample(fc.array(fc.nat(), { minLength: count, maxLength: count }), {
    numRuns: 1,
    seed: 7,
  }) as [number[]];
  for (let from = 0; from < count; from += 100) {
    const part = new Map<string, Buffer>();
    for (const number of numbers.slice(from, from + 100)) {
      part.set(keyOf(number), podOf(number, number % 100 === 0 ? large : 700));
    }
    await store.commit(
      [...part].map(([key, value]) => ({ key, value })),
      { ...HEADERS, trace: `trace-${from}` },
    );
    for (const [key, value] of part) values.set(key, value);
  }
  await projection.waitFor(await store.head(), 1_000);
  return { store, projection, values };
}

/** How much memory the entries refer to, and how much of it is theirs. */
function memoryOf(projection: Projection): { held: number; used: number } {
  const slabs = new Set<Slab>();
  let used = 0;
  for (const entry of projection.list("pods") as ObjectEntry[]) {
    slabs.add(entry.slab);
    used += entry.size;
  }
  let held = 0;
  for (const { memory } of slabs) held += memory.length;
  return { held, used };
}

describe("the bytes of entries", () => {
  it("move together when what lay between them is past", async () => {
    const { store, projection, values } = await written(6_000, { windowChanges: 50 }, 300_000);
    for (const [key, value] of values) {
      const entry = projection.get(key) as ObjectEntry;
      const { revision, headers, time } = entry;
      const { resourceVersion, ...rest } = JSON.parse(String(entry.bytes)).metadata;
      expect(resourceVersion).toBe(String(revision));
      expect({ ...JSON.parse(String(entry.bytes)), metadata: rest }).toEqual(
        JSON.parse(String(value)),
      );
      const stored = await store.get(key);
      expect({ revision, headers, time }).toEqual({
        revision: stored?.revision,
        headers: stored?.headers,
        time: stored?.time,
      });
    }
  });

  it("take no more than twice their own memory, and a slab", async () => {
    const { projection } = await written(6_000, { windowChanges: 50 });
    const { held, used } = memoryOf(projection);
    expect(held).toBeLessThan(2 * used + 300_000);
  });

  it("stay where they are as long as the window shows what lay between them", async () => {
    const { projection } = await written(6_000, { windowBytes: 1e9 });
    const { held, used } = memoryOf(projection);
    expect(held).toBeGreaterThan(4 * used);
    const [first] = projection.changesSince(0, "pods");
    expect(JSON.parse(String(first?.entry.bytes)).metadata.resourceVersion).toBe("1");
  });

  it("stay readable for who holds them, wherever they have gone", async () => {
    const { store, projection } = await written(100, { windowChanges: 1 });
    const entries = projection.list("pods");
    const before = entries.map(({ bytes }) => ({ bytes, text: String(bytes) }));
    for (let number = 0; number < 6_000; number += 100) {
      const writes = Array.from({ length: 100 }, (_, index) => {
        const key = keyOf(number + index);
        return { key, value: podOf(number + index, 700) };
      });
      await store.commit(writes, HEADERS);
    }
    await projection.waitFor(await store.head(), 1_000);
    for (const { bytes, text } of before) expect(String(bytes)).toBe(text);
    for (const [index, entry] of entries.entries()) {
      expect(String(entry.bytes)).toBe(before[index]?.text);
    }
  });
});

describe("slabs", () => {
  it("have room for what they are asked for, whatever moves into them meanwhile", () => {
    const lengths = fc.oneof(
      fc.integer({ min: 1, max: 3_000 }),
      fc.integer({ max: 70_000, min: 1 }),
    );
    const steps = fc.array(fc.record({ length: lengths, leaves: fc.boolean() }));
    fc.assert(
      fc.property(steps, (taken) => {
        const slabs = new Slabs();
        const residents: Place[] = [];
        for (const { length, leaves } of taken) {
          const place = new Place(slabs, length);
          residents.push(place);
          if (leaves) residents.splice(residents.length >> 1, 1)[0]?.leave();
        }
        for (const place of residents) expect(place.isThere()).toBe(true);
      }),
    );
  });
});

/** Fills its bytes with a number of its own. */
class Place implements Resident {
  static #count = 0;
  readonly #slabs: Slabs;
  readonly #length: number;
  readonly #number = Place.#count++ & 0xff;
  slab: Slab;
  #at = 0;
  #left = false;

  constructor(slabs: Slabs, length: number) {
    this.#slabs = slabs;
    this.#length = length;
    this.slab = slabs.for(length);
    this.#settle();
  }

  move(): void {
    if (this.#left) return;
    this.slab = this.#slabs.for(this.#length);
    this.#settle();
  }

  leave(): void {
    this.#left = true;
    this.slab.leave(this.#length);
  }

  isThere(): boolean {
    const bytes = this.slab.memory.subarray(this.#at, this.#at + this.#length);
    return bytes.length === this.#length && bytes.every((byte) => byte === this.#number);
  }

  #settle(): void {
    this.#at = this.slab.take(this.#length);
    this.slab.memory.fill(this.#number, this.#at, this.#at + this.#length);
    this.slab.enter(this, this.#length);
  }
}
