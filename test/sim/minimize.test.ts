import { describe, expect, it } from "vitest";
import { type Minimized, minimize, reduce, repeat } from "./minimize.ts";
import * as mistakes from "./mistakes.ts";
import { parsePlan, planText } from "./plan-file.ts";

describe("reducing", () => {
  const needing =
    (...needed: number[]) =>
    async (items: readonly number[]): Promise<boolean> =>
      needed.every((item) => items.includes(item));

  it.each([
    ["one", [17]],
    ["the first and the last", [0, 99]],
    ["neighbours", [40, 41, 42]],
    ["many", [3, 14, 15, 92, 65, 35]],
    ["none", []],
  ])("leaves what is needed: %s", async (_name, needed) => {
    const items = Array.from({ length: 100 }, (_, index) => index);
    const left = await reduce(items, needing(...needed));
    expect(left).toEqual([...needed].sort((a, b) => a - b));
  });

  it("ends with what fails only as a whole, and with nothing to leave out", async () => {
    expect(await reduce([1, 2, 3], needing(1, 2, 3))).toEqual([1, 2, 3]);
    expect(await reduce([], needing())).toEqual([]);
  });
});

describe("minimizing a run", { timeout: 300_000 }, () => {
  it("leaves the faults and the operations that a planted mistake needs", async () => {
    let found: Minimized | undefined;
    for (let seed = 2; seed <= 30 && found === undefined; seed++) {
      found = await minimize({ seed, steps: 3, mistake: mistakes.doubleBind });
    }
    expect(found?.violation).toMatch(/bound to|filled beyond/);
    const { only, operations } = found!.reproduction;
    expect(only.length).toBeLessThan(found!.incidents);
    expect(operations.length).toBeLessThanOrEqual(3);
    const again = await repeat(found!.reproduction, mistakes.doubleBind);
    expect(again.violations).toContain(found!.violation);
    expect(parsePlan(planText(found!), "plan.yaml")).toEqual(found!.reproduction);
  });

  it("says which field of a plan is wrong", () => {
    const text = "seed: 1\nsteps: 1\noperations: [0]\nfaults: {}\nonly: [{ fault: crash }]\n";
    expect(() => parsePlan(text, "plan.yaml")).toThrow(/plan\.yaml[\s\S]*only\[0\]\.site/);
  });

  it("has nothing to do for a run that does not fail", async () => {
    expect(await minimize({ seed: 3, steps: 2 })).toBeUndefined();
  });
});
