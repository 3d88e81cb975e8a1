import { expect, it } from "vitest";
import { sameJson } from "../../shared/api/same.ts";

it("the order of fields does not matter, and undefined is absent", () => {
  const one = { a: [1, { b: "x", c: null }], d: {} };
  expect(sameJson(one, { d: {}, a: [1, { c: null, b: "x" }], e: undefined })).toBe(true);
  expect(sameJson({ ...one, e: undefined }, one)).toBe(true);
});

it.each([
  [{ a: 1 }, { a: 2 }],
  [{ a: 1 }, {}],
  [{}, { a: 1 }],
  [{ a: undefined }, { a: 1 }],
  [{ a: null }, {}],
  [
    [1, 2],
    [2, 1],
  ],
  [[1], [1, 2]],
  [[], {}],
  [{ 0: 1 }, [1]],
  ["1", 1],
])("%j is not %j", (one, other) => {
  expect(sameJson(one, other)).toBe(false);
  expect(sameJson(other, one)).toBe(false);
});
