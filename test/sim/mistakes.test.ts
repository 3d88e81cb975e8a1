import { describe, expect, it } from "vitest";
import * as mistakes from "./mistakes.ts";
import { type Mistake, runSimulation, type SimulationResult } from "./simulate.ts";

const TEST_MS_MAX = 300_000;

/** The first seed that shows the mistake, by its own name and not by what follows from it. */
async function find(
  plant: () => Mistake,
  message: RegExp,
  seedsMax: number,
): Promise<SimulationResult | undefined> {
  for (let seed = 1; seed <= seedsMax; seed++) {
    const result = await runSimulation({ seed, mistake: plant() });
    if (result.violations.some((violation) => message.test(violation))) return result;
  }
  return undefined;
}

describe("the simulation finds a planted mistake", () => {
  it.each([
    [
      "random pod names in a plan that is decided again",
      mistakes.randomPodNames,
      /asks for|must keep/,
      60,
    ],
    ["the claim before what it claims", mistakes.claimFirst, /asks for/, 60],
    ["a missing expectation", mistakes.missingExpectation, /asks for|at the end/, 60],
    ["a lost wake-up", mistakes.lostWakeUp, /at the end/, 10],
    ["a double bind", mistakes.doubleBind, /bound to|filled beyond/, 60],
    ["a lost update", mistakes.lostUpdate, /has lost/, 80],
    ["a follower that skips a version", mistakes.skippedVersion, /./, 60],
  ])(
    "%s",
    async (_name, plant, message, seedsMax) => {
      const result = await find(plant, message, seedsMax);
      expect(result?.reproduce).toBe(
        `npx cox sim --seeds ${result?.seed}..${result?.seed} --trace`,
      );
    },
    TEST_MS_MAX,
  );

  it("but nothing where schedulers do not hear one another: the log decides", async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const { violations } = await runSimulation({ seed, mistake: mistakes.deafSchedulers() });
      expect(violations, `seed ${seed}`).toEqual([]);
    }
  });
});
