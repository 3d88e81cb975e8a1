import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { differences, type FieldChange } from "../../shared/log/difference.ts";
import { shortly, summarize } from "../../shared/log/summary.ts";

interface Case {
  readonly name: string;
  readonly old: unknown;
  readonly new: unknown;
  readonly changes: readonly FieldChange[];
  readonly summary: string;
}

const cases: Case[] = parse(readFileSync(new URL("difference.yaml", import.meta.url), "utf8"));

describe("the difference of two versions", () => {
  it.each(cases.map((one) => [one.name, one] as const))("%s", (_, one) => {
    expect(differences(one.old, one.new)).toEqual(one.changes);
    expect(summarize(one.old, one.new)).toBe(one.summary);
  });

  it("is empty exactly when nothing differs", () => {
    const named = fc.record({ name: fc.constantFrom("a", "b", "c"), value: fc.integer() });
    const values = fc.record({ list: fc.array(named, { maxLength: 3 }), map: fc.object() });
    fc.assert(
      fc.property(values, values, (old, next) => {
        const order = (one: typeof old) => one.list.map(({ name }) => name).join();
        expect(differences(old, structuredClone(old))).toEqual([]);
        if (order(old) === order(next) && differences(old, next).length === 0) {
          expect(JSON.parse(JSON.stringify(next))).toEqual(JSON.parse(JSON.stringify(old)));
        }
      }),
    );
  });

  it("cuts long values", () => {
    expect(shortly("x".repeat(60), 10)).toBe(`${"x".repeat(9)}…`);
  });
});
