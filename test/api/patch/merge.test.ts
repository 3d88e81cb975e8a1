import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jsonEqual } from "../../../shared/api/patch/json-value.ts";
import { applyMergePatch } from "../../../shared/api/patch/merge.ts";
import { deepFreeze, expectFailure } from "./cases.ts";

/** The examples of RFC 7386, those of objects. */
const EXAMPLES: readonly [target: object, patch: object, result: object][] = [
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b" }, { a: null }, {}],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

/** Objects without nulls, which a merge patch cannot tell from absence. */
const { document } = fc.letrec<{ document: object; value: unknown }>((tie) => ({
  document: fc.dictionary(fc.constantFrom("a", "b", "c", "d"), tie("value"), { maxKeys: 4 }),
  value: fc.oneof(
    { depthSize: "small" },
    fc.integer({ min: 0, max: 3 }),
    fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
    tie("document"),
  ),
}));

function diff(before: object, after: object): object {
  const patch: Record<string, unknown> = {};
  const left = before as Record<string, unknown>;
  const right = after as Record<string, unknown>;
  for (const name of Object.keys(left)) if (!Object.hasOwn(right, name)) patch[name] = null;
  for (const [name, value] of Object.entries(right)) {
    const old = left[name];
    if (jsonEqual(old, value)) continue;
    const objects = isPlain(old) && isPlain(value);
    patch[name] = objects ? diff(old, value) : value;
  }
  return patch;
}

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

describe("JSON merge patch", () => {
  for (const [target, patch, result] of EXAMPLES) {
    test(`${JSON.stringify(target)} with ${JSON.stringify(patch)}`, () => {
      expect(applyMergePatch(deepFreeze(target), deepFreeze(patch))).toEqual(result);
    });
  }

  test("a difference, applied, gives what it is the difference to", () => {
    fc.assert(
      fc.property(document, document, (before, after) => {
        const result = applyMergePatch(deepFreeze(before), deepFreeze(diff(before, after)));
        expect(result).toEqual(after);
      }),
    );
  });

  test("a patch that changes nothing answers the document itself", () => {
    fc.assert(
      fc.property(document, document, (before, patch) => {
        const once = applyMergePatch(before, patch);
        const withoutLists = JSON.parse(JSON.stringify(patch), (_, value) =>
          Array.isArray(value) ? 0 : value,
        );
        const scalars = applyMergePatch(once, withoutLists);
        expect(applyMergePatch(scalars, withoutLists)).toBe(scalars);
      }),
    );
  });

  test("only objects are patches", () => {
    expectFailure(() => applyMergePatch({}, [1]), {
      code: 400,
      reason: "BadRequest",
      message:
        "error decoding patch: json: cannot unmarshal array into Go value of type " +
        "map[string]interface {}",
    });
  });
});
