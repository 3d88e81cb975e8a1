import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  applyJsonPatch,
  JSON_PATCH_COPY_BYTES_MAX,
  JSON_PATCH_OPERATIONS_MAX,
} from "../../../shared/api/patch/json.ts";
import { casesOf, deepFreeze, type ExpectedError, expectFailure } from "./cases.ts";

interface Case {
  readonly name: string;
  readonly document: object;
  readonly patch: unknown;
  readonly result?: object;
  readonly error?: ExpectedError;
}

describe("JSON patch", () => {
  for (const { name, document, patch, result, error } of casesOf<Case>(
    import.meta.url,
    "json.yaml",
  )) {
    test(name, () => {
      deepFreeze(document);
      deepFreeze(patch);
      if (error) expectFailure(() => applyJsonPatch(document, patch), error);
      else expect(applyJsonPatch(document, patch)).toEqual(result ?? document);
    });
  }

  test("shares what it does not touch", () => {
    const document = deepFreeze({ a: { b: 1 }, c: { d: [1] } });
    const result = applyJsonPatch(document, [{ op: "replace", path: "/a/b", value: 2 }]);
    expect(result.c).toBe(document.c);
  });

  test("takes 10,000 operations and no more", () => {
    const operation = { op: "add", path: "/a", value: 1 };
    const most = new Array(JSON_PATCH_OPERATIONS_MAX).fill(operation);
    expect(applyJsonPatch({}, most)).toEqual({ a: 1 });
    expectFailure(() => applyJsonPatch({}, [...most, operation]), {
      code: 413,
      reason: "RequestEntityTooLarge",
      message:
        "Request entity too large: " +
        "The allowed maximum operations in a JSON patch is 10000, got 10001",
    });
  });

  test("refuses copies that double the document again and again", () => {
    const document = { a: ["x".repeat(1000)] as unknown[] };
    const doubling = Math.ceil(Math.log2(JSON_PATCH_COPY_BYTES_MAX / 1000)) + 2;
    const patch = new Array(doubling).fill({ op: "copy", from: "/a", path: "/a/-" });
    expectFailure(() => applyJsonPatch(document, patch), { code: 422, reason: "Invalid" });
  });

  test("operations together are the operations one by one", () => {
    const path = fc.constantFrom("/a", "/b", "/a/0", "/a/1", "/b/x", "/a/0/x", "/c", "/b/x/0");
    const value = fc.constantFrom<unknown>(1, [], {}, [1, { x: 2 }], { x: [3] });
    const operation = fc.oneof(
      fc.record({ op: fc.constantFrom("add", "replace"), path, value }),
      fc.record({ op: fc.constant("remove"), path }),
      fc.record({ op: fc.constantFrom("move", "copy"), path, from: path }),
    );
    const outcome = (run: () => object): unknown => {
      try {
        return run();
      } catch {
        return "failed";
      }
    };
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 8 }), (operations) => {
        const document = deepFreeze({ a: [{ x: 1 }, 2], b: { x: [4] } });
        const oneByOne = () =>
          operations.reduce(
            (current, single) => structuredClone(applyJsonPatch(current, [single])),
            document as object,
          );
        const together = outcome(() => applyJsonPatch(document as object, operations));
        expect(together).toEqual(outcome(oneByOne));
      }),
      { numRuns: 2000 },
    );
  });

  test("sets a field named __proto__ as any other", () => {
    const patch = JSON.parse('[{"op":"add","path":"/__proto__","value":{"polluted":true}}]');
    const result = applyJsonPatch({}, patch);
    expect(Object.hasOwn(result, "__proto__")).toBe(true);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});
