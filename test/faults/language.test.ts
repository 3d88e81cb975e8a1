import { describe, expect, it } from "vitest";
import { parseDuration } from "../../shared/faults/duration.ts";
import { names, parseFaults } from "../../shared/faults/language.ts";
import { unsupportedInSimulation, unsupportedLive } from "../../shared/faults/support.ts";

describe("a fault file", () => {
  it("takes Sieve's patterns by their names", () => {
    const faults = parseFaults({
      intermediateState: { probability: 0.1 },
      staleState: { ms: [0, "1s"] },
      unobservedState: { coalesce: 0.5 },
    });
    expect(faults.crash?.probability).toBe(0.1);
    expect(faults.lag?.ms).toEqual([0, 1_000]);
    expect(faults.unobserved?.coalesce).toBe(0.5);
  });

  it("takes one fault or several that strike", () => {
    const one = parseFaults({ kill: { every: "1s" } });
    const two = parseFaults({ kill: [{ every: 500 }, { actor: "apiserver", every: [1, "2m"] }] });
    expect(one.kill).toEqual([{ actor: "*", every: [1_000, 1_000], downMs: [0, 0] }]);
    expect(two.kill?.map(({ every }) => every)).toEqual([
      [500, 500],
      [1, 120_000],
    ]);
  });

  const wrong: [title: string, file: unknown, field: string][] = [
    ["a fault that it does not know", { flood: {} }, "flood"],
    ["a probability above 1", { crash: { probability: 2 } }, "crash.probability"],
    ["a parameter that it does not know", { lag: { ms: 5, much: 1 } }, "much"],
    ["a duration that is none", { kill: { every: "soon" } }, "kill[0].every"],
    ["a range that runs backwards", { pause: [{ every: 1, for: [9, 3] }] }, "pause[0].for"],
    ["a negative duration", { lag: { ms: "-1s" } }, "lag.ms"],
    ["how often without how long", { loss: { probability: 1, every: "5s" } }, "loss.for"],
    ["a fault under both names", { crash: { probability: 0 }, intermediateState: {} }, "intermed"],
    ["no fault file at all", 7, "expected object"],
  ];
  it.each(wrong)("refuses %s and names the field", (_, file, field) => {
    expect(() => parseFaults(file)).toThrow(field);
  });

  it("says by name what a side cannot do", () => {
    const faults = parseFaults({
      partition: { every: "1s", for: "1s", from: "log" },
      crash: { probability: 0.1, between: ["timer"] },
      kill: { actor: "kraken", every: "1s" },
    });
    const simulated = unsupportedInSimulation(faults, ["apiserver-1", "control-1"]);
    expect(simulated.map((line) => line.split(":")[0])).toEqual(["partition.from", "kill.actor"]);
    const live = unsupportedLive(faults, ["apiserver", "control"]);
    expect(live.map((line) => line.split(":")[0])).toEqual(["crash.between", "kill.actor"]);
  });
});

describe("names", () => {
  it.each([
    ["*", "control-2", true],
    ["apiserver", "apiserver", true],
    ["apiserver", "apiserver-3", true],
    ["apiserver", "apiservers", false],
    ["apiserver-1", "apiserver-2", false],
    ["apiserver-*", "apiserver", true],
    ["node-*", "node-7", true],
    ["*server", "nats-server", true],
    ["a.c", "abc", false],
  ])("%s of %s: %s", (pattern, process, expected) => {
    expect(names(pattern, process)).toBe(expected);
  });
});

describe("durations", () => {
  it.each([
    [250, 250],
    ["250ms", 250],
    ["1.5s", 1_500],
    ["1h30m", 5_400_000],
    ["-2s", -2_000],
    ["", undefined],
    ["5", undefined],
    [null, undefined],
  ])("%s is %s", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });
});
