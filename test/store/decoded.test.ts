import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { DecodedObjects } from "../../shared/store/decoded.ts";
import { factsOf, ObjectEntry } from "../../shared/store/entry.ts";
import { memberOf } from "../../shared/store/scan.ts";
import { Slabs } from "../../shared/store/slabs.ts";
import { HEADERS } from "./harness.ts";

describe("a member of an encoded object", () => {
  it("is found without decoding the object", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), (object, other) => {
        for (const space of [undefined, 2]) {
          const bytes = Buffer.from(JSON.stringify(object, null, space));
          for (const name of [...Object.keys(object), other]) {
            // Names are given as they stand in JSON.
            if (JSON.stringify(name) !== `"${name}"` || /[^\x20-\x7e]/.test(name)) continue;
            const found = memberOf(bytes, name);
            const expected = Object.hasOwn(object, name) ? JSON.stringify(object[name]) : undefined;
            expect(found && JSON.stringify(JSON.parse(found.toString()))).toBe(expected);
          }
        }
      }),
    );
  });

  it("is not there in what is not an object", () => {
    for (const text of ["", "1", '"a"', "[1]", "{", '{"a', "x"]) {
      expect(memberOf(Buffer.from(text), "b")).toBeUndefined();
    }
  });
});

function podOf(decoded: DecodedObjects, number: number): ObjectEntry {
  const object = { kind: "Pod", metadata: { name: `p-${number}` }, spec: { nodeName: "n" } };
  const value = Buffer.from(JSON.stringify(object));
  const key = `pods/a/p-${number}`;
  const version = { key, revision: number, value, headers: HEADERS, time: 0, more: false };
  return ObjectEntry.of(version, undefined, { decoded, slabs: new Slabs() });
}

describe("decoded objects", () => {
  it("that are not used any more are let go; the others stay the same", () => {
    const decoded = new DecodedObjects({ freeze: true, bytesMax: 2_000 });
    const used = podOf(decoded, 1);
    const unused = podOf(decoded, 2);
    const [kept, lost] = [used.object, unused.object];
    for (let number = 3; number < 200; number += 1) {
      expect(podOf(decoded, number).object.metadata.name).toBe(`p-${number}`);
      expect(used.object).toBe(kept);
    }
    expect(unused.object).not.toBe(lost);
    expect(unused.object).toEqual(lost);
  });

  it("are bounded by their encoded bytes, whatever is decoded, replaced and used again", () => {
    const numbers = fc.array(fc.nat(60), { maxLength: 300 });
    fc.assert(
      fc.property(numbers, (steps) => {
        const bytesMax = 1_500;
        const held = new Set<number>();
        const decoded = new DecodedObjects({ freeze: false, bytesMax });
        const size = 100;
        const entries = Array.from({ length: 61 }, (_, number) => ({
          size,
          usedAt: 0,
          release: () => void held.delete(number),
        }));
        for (const number of steps) {
          const entry = entries[number] as (typeof entries)[number];
          entry.usedAt = decoded.age;
          if (number % 7 === 0 && held.delete(number)) decoded.remove(entry);
          else if (!held.has(number)) {
            held.add(number);
            decoded.add(entry);
          }
          // Half of it young, as much kept from before, and the one that crossed the line.
          expect(held.size * size).toBeLessThanOrEqual(bytesMax + 2 * size);
        }
      }),
    );
  });

  it("are not needed for the indexes' parts", () => {
    const entry = podOf(new DecodedObjects({ freeze: true, bytesMax: 1_000 }), 7);
    expect(entry.part("spec", "nodeName")).toBe("n");
    expect(entry.part("spec", "other")).toBeUndefined();
    expect(entry.part("other", "nodeName")).toBeUndefined();
    expect(entry.metadata).toEqual({ resourceVersion: "7", name: "p-7" });
    expect(entry.object["spec"]?.nodeName).toBe("n");
    expect(entry.part("spec", "nodeName")).toBe("n");
  });
});

it("facts of an object outlive it, and are made anew by another function", () => {
  const decoded = new DecodedObjects({ freeze: true, bytesMax: 1 });
  const pod = podOf(decoded, 1);
  let made = 0;
  const nameOf = ({ metadata }: KubernetesObject) => {
    made++;
    return metadata.name;
  };
  expect([factsOf(pod, nameOf), factsOf(pod, nameOf)]).toEqual(["p-1", "p-1"]);
  pod.forgetObject();
  expect([factsOf(pod, nameOf), made]).toEqual(["p-1", 1]);
  expect(factsOf(pod, ({ kind }: KubernetesObject) => kind)).toBe("Pod");
});
