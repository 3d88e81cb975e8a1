import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import { compareObjects } from "../../../shared/api/patch/compare.ts";
import { fieldsOfNew } from "../../../shared/api/patch/created.ts";
import { sorted, withoutSubtrees } from "../../../shared/api/patch/field-set.ts";
import { knownText } from "../../../shared/api/patch/field-text.ts";
import { ignoredFields } from "../../../shared/api/patch/track.ts";
import type { KindTable, Schema } from "../../../shared/api/schema.ts";
import { tableOf } from "../patch/cases.ts";

const KINDS = [
  "Pod",
  "ConfigMap",
  "Service",
  "apps/v1/Deployment",
  "Node",
  "discovery.k8s.io/v1/EndpointSlice",
];

/** The long way: everything is compared with nothing. */
function compared(object: KubernetesObject, table: KindTable): string {
  const { changed } = compareObjects(undefined, object, table.schema);
  return JSON.stringify(sorted(withoutSubtrees(changed, ignoredFields(table, ""))));
}

const anything = fc.jsonValue({ maxDepth: 2 });
const key = fc.constantFrom("a", "b", "name", "status", "template", "__proto__");

/** Mostly values that fit, so that they lead deep into the schema, and some that do not. */
function arbitraryOf(schema: Schema, depth: number): fc.Arbitrary<unknown> {
  if (depth === 0) return anything;
  const fitting = fittingOf(schema, depth);
  return fc.oneof({ weight: 12, arbitrary: fitting }, { weight: 1, arbitrary: anything });
}

function fittingOf(schema: Schema, depth: number): fc.Arbitrary<unknown> {
  switch (schema.type) {
    case "object": {
      const fields = Object.entries(schema.properties);
      const some = fc.subarray(fields, { maxLength: Math.min(5, fields.length) });
      return some.chain((chosen) =>
        fc.record(
          Object.fromEntries(
            chosen.map(([name, field]) => [name, arbitraryOf(field.schema, depth - 1)]),
          ),
        ),
      );
    }
    case "map":
      return fc.dictionary(key, arbitraryOf(schema.values, depth - 1), { maxKeys: 3 });
    case "array":
      return fc.array(arbitraryOf(schema.items, depth - 1), { maxLength: 3 });
    case "integer":
    case "number":
      return fc.integer({ min: 0, max: 2 });
    case "boolean":
      return fc.boolean();
    default:
      return fc.constantFrom("", "a", "b", "TCP");
  }
}

describe("the fields of a new object", () => {
  test.each(KINDS)("%s: equal those found by comparing it with nothing", (kind) => {
    const table = tableOf(kind);
    fc.assert(
      fc.property(arbitraryOf(table.schema, 6), (value) => {
        fc.pre(typeof value === "object" && value !== null && !Array.isArray(value));
        const object = value as KubernetesObject;
        const set = fieldsOfNew(object, table);
        expect(knownText(set)).toBe(compared(object, table));
        // A second time along the same trail
        expect(fieldsOfNew(structuredClone(object), table)).toBe(set);
      }),
      { numRuns: 300 },
    );
  });

  test("items with the same keys are owned as one", () => {
    const table = tableOf("Pod");
    const containers = [
      { name: "a", image: "x" },
      { name: "b" },
      { name: "a", args: ["1"] },
      { image: "no name" },
    ];
    const object = { metadata: { name: "p" }, spec: { containers } } as never as KubernetesObject;
    const set = fieldsOfNew(object, table);
    expect(knownText(set)).toBe(compared(object, table));
    expect(set["f:spec"]?.["f:containers"]).toEqual({
      'k:{"name":""}': { ".": {}, "f:image": {} },
      'k:{"name":"a"}': {},
      'k:{"name":"b"}': { ".": {}, "f:name": {} },
    });
  });

  test("are found for any number of different objects", () => {
    const table = tableOf("ConfigMap");
    for (let round = 0; round < 300; round++) {
      const names = Array.from({ length: 100 }, (_, index) => [`k-${round}-${index}`, "v"]);
      const object = { metadata: { name: "c" }, data: Object.fromEntries(names) };
      const plain = object as never as KubernetesObject;
      expect(knownText(fieldsOfNew(plain, table))).toBe(compared(plain, table));
    }
  });
});
