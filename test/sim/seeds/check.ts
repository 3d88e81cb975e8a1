import { describe, expect, it } from "vitest";
import { runSimulation } from "../simulate.ts";

const SEEDS_PER_TEST = 10;
const TEST_MS_MAX = 300_000;

/**
 * Runs the seeds, both included. Two files share the 200 seeds of the suite, so that two workers
 * run them at the same time.
 */
export function checkSeeds(from: number, to: number): void {
  describe("the control plane, with faults", () => {
    for (let first = from; first <= to; first += SEEDS_PER_TEST) {
      const last = Math.min(first + SEEDS_PER_TEST - 1, to);
      it(
        `does nothing wrong and comes right in the end, seeds ${first} to ${last}`,
        async () => {
          const failures: string[] = [];
          for (let seed = first; seed <= last; seed++) {
            const { violations, reproduce } = await runSimulation({ seed });
            if (violations.length > 0) failures.push([reproduce, ...violations].join("\n  "));
          }
          expect(failures.join("\n")).toBe("");
        },
        TEST_MS_MAX,
      );
    }
  });
}
