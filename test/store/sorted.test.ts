import fc from "fast-check";
import { expect, it } from "vitest";
import { SortedEntries } from "../../shared/store/sorted.ts";
import type { Entry } from "../../shared/store/view.ts";

function entryOf(key: string, revision: number): Entry {
  return { key, revision } as Entry;
}

const steps = fc.array(
  fc.record({
    does: fc.constantFrom("put", "put", "remove", "remove", "list", "many"),
    key: fc.constantFrom(..."abcdefgh"),
  }),
  { maxLength: 100 },
);

it("sorted entries are those that were put and not removed; a list given away stays", () => {
  fc.assert(
    fc.property(steps, (taken) => {
      const sorted = new SortedEntries();
      const model = new Map<string, Entry>();
      const given: { list: readonly Entry[]; copy: readonly Entry[] }[] = [];
      taken.forEach(({ does, key }, revision) => {
        const entry = entryOf(key, revision);
        if (does === "list") {
          const list = sorted.list();
          given.push({ list, copy: [...list] });
          expect(list).toEqual([...model.values()].sort((a, b) => (a.key < b.key ? -1 : 1)));
        } else if (does === "many") {
          // Put in order before anybody asks.
          for (let number = 0; number < 300; number++) {
            const one = entryOf(`${key}${number}`, revision);
            if (model.has(one.key)) sorted.replace(one);
            else sorted.add(one);
            model.set(one.key, one);
          }
        } else if (does === "remove") {
          sorted.remove(key);
          model.delete(key);
        } else {
          if (model.has(key)) sorted.replace(entry);
          else sorted.add(entry);
          model.set(key, entry);
        }
        expect(sorted.size).toBe(model.size);
      });
      for (const { list, copy } of given) expect(list).toEqual(copy);
    }),
  );
});
