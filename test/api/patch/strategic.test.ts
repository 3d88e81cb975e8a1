import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { applyStrategicMergePatch } from "../../../shared/api/patch/strategic.ts";
import { casesOf, deepFreeze, type ExpectedError, expectFailure, tableOf } from "./cases.ts";

interface Case {
  readonly name: string;
  readonly kind: string;
  readonly live: object;
  readonly patch: unknown;
  readonly result?: object;
  readonly error?: ExpectedError;
}

describe("strategic merge patch", () => {
  for (const { name, kind, live, patch, result, error } of casesOf<Case>(
    import.meta.url,
    "strategic.yaml",
  )) {
    test(name, () => {
      const table = tableOf(kind);
      deepFreeze(live);
      deepFreeze(patch);
      if (error) {
        expectFailure(() => applyStrategicMergePatch(live, patch, table), error);
      } else if (result) {
        expect(applyStrategicMergePatch(live, patch, table)).toEqual(result);
      } else {
        expect(applyStrategicMergePatch(live, patch, table)).toBe(live);
      }
    });
  }

  const table = tableOf("Pod");
  const container = fc.record({
    name: fc.constantFrom("a", "b", "c", "d"),
    image: fc.constantFrom("x", "y"),
  });
  const containers = fc.uniqueArray(container, { selector: ({ name }) => name, maxLength: 4 });
  const pod = (list: object[]) => deepFreeze({ spec: { containers: list } });

  test("the same patch again changes nothing", () => {
    fc.assert(
      fc.property(containers, containers, (live, patch) => {
        const once = applyStrategicMergePatch(pod(live), pod(patch), table);
        expect(applyStrategicMergePatch(once, pod(patch), table)).toBe(once);
      }),
    );
  });

  test("every item of the live list and of the patch is there once", () => {
    fc.assert(
      fc.property(containers, containers, (live, patch) => {
        const { spec } = applyStrategicMergePatch(pod(live), pod(patch), table);
        const names = (spec.containers as { name: string }[]).map(({ name }) => name);
        const expected = new Set([...live, ...patch].map(({ name }) => name));
        expect([...names].sort()).toEqual([...expected].sort());
      }),
    );
  });

  test("the order asked for is the order of the items it names", () => {
    fc.assert(
      fc.property(containers, containers, (live, wanted) => {
        const order = wanted.map(({ name }) => ({ name }));
        const patch = { spec: { "$setElementOrder/containers": order } };
        const { spec } = applyStrategicMergePatch(pod(live), patch, table);
        const names = (spec.containers as { name: string }[]).map(({ name }) => name);
        const has = new Set(live.map(({ name }) => name));
        expect(names.filter((name) => wanted.some((item) => item.name === name))).toEqual(
          wanted.map(({ name }) => name).filter((name) => has.has(name)),
        );
      }),
    );
  });
});
