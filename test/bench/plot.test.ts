import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { keepRun, OWN, pageOf, type Run, readRuns } from "./curves/data.ts";
import { drawPage, scaleOf, short } from "./curves/plot.ts";

const run: Run = {
  curve: "objects",
  system: OWN,
  command: "command",
  versions: "1",
  machine: "2 cores",
  points: [
    { x: 1_000, figures: { "rate: get": 10, "memory: apiserver": 5 } },
    { x: 10_000, figures: { "rate: get": 20 } },
  ],
};

describe("an axis", () => {
  it("begins at zero and ends above the last value", () => {
    const { ticks, place } = scaleOf([30, 90], { label: "" }, 200);
    expect(ticks).toEqual([0, 20, 40, 60, 80, 100]);
    expect(place(50)).toBe(100);
  });

  it("has the same length for each power of ten when it is logarithmic", () => {
    const { ticks, place } = scaleOf([1, 100_000], { label: "", log: true }, 500);
    expect(ticks).toEqual([1, 10, 100, 1_000, 10_000, 100_000]);
    expect([10, 1_000].map(place)).toEqual([100, 300]);
  });

  it("has a length for one value alone", () => {
    expect(scaleOf([7], { label: "", log: true }, 100).ticks).toEqual([5, 10]);
    expect(scaleOf([0], { label: "" }, 100).place(0)).toBe(0);
  });

  it.each([
    [1_500, "1.5k"],
    [200_000, "200k"],
    [2e6, "2M"],
    [0.25, "0.25"],
  ])("writes %d as %s", (value, text) => expect(short(value)).toBe(text));
});

describe("a picture", () => {
  it("has what was measured, and only that", () => {
    const panels = [
      { key: "rate", title: "Rate", y: { label: "requests/s" } },
      { key: "never", title: "Never measured", y: { label: "ms" } },
    ];
    const curve = { name: "objects", title: "A < B", x: { label: "objects", log: true }, panels };
    const other = { ...run, system: "another" };
    const text = drawPage(pageOf(curve, [other, run]));
    expect(text).toContain("A &#60; B");
    expect(text).not.toContain("Never measured");
    expect(text.match(/<polyline/g)).toHaveLength(2);
    expect(text).toContain("* another: 1; 2 cores");
    expect(text).not.toMatch(/NaN|undefined|Infinity/);
  });
});

describe("the file of figures", () => {
  const folder = mkdtempSync(join(tmpdir(), "coxswain-figures-"));
  afterEach(() => rmSync(folder, { recursive: true }));

  it("keeps one run of each curve and system", () => {
    const file = join(folder, "curves.json");
    expect(readRuns(file)).toEqual([]);
    const history = { ...run, curve: "history" };
    for (const each of [run, history, { ...run, system: "another" }]) keepRun(file, each);
    keepRun(file, { ...run, points: [] });
    expect(readRuns(file).map((each) => [each.curve, each.system, each.points.length])).toEqual([
      ["history", OWN, 2],
      ["objects", "another", 2],
      ["objects", OWN, 0],
    ]);
  });
});
