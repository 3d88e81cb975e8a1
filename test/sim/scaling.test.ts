import { describe, expect, it } from "vitest";
import { CONTROL_ACTORS } from "../../services/cli/layout.ts";
import type { ControlActors } from "../../services/cli/process/control-actors.ts";
import { NO_FAULTS } from "../../shared/faults/language.ts";
import type { SimulatedProcess } from "../../shared/runtime/seeded.ts";
import { runSimulation } from "./simulate.ts";

const SEEDS = [1, 2, 3, 11, 12, 13, 21, 22, 23];
/** Runs everything all the time, so that every actor has a replica. */
const STEADY = "control-1";
const EVERY_MS = 300;
const TEST_MS_MAX = 300_000;

/** Counts the replicas that came and went. */
class Scaling {
  changes = 0;

  /** Every now and then the process runs other actors, drawn at random. */
  readonly onControl = (actors: ControlActors, process: SimulatedProcess): void => {
    if (process.name === STEADY) return;
    const random = process.random.stream("scaling");
    process.timers.every(EVERY_MS, () => {
      const before = new Set(actors.state(false).map(({ actor }) => actor));
      const wanted = CONTROL_ACTORS.filter(() => random.next() < 0.5);
      this.changes += CONTROL_ACTORS.filter((a) => before.has(a) !== wanted.includes(a)).length;
      void actors.run(wanted);
    });
  };
}

describe("replicas of actors that come and go at random", () => {
  it.each(SEEDS)(
    "do nothing wrong, nothing twice, and leave nothing undone, seed %i",
    async (seed) => {
      const scaling = new Scaling();
      const mistake = { onControl: scaling.onControl };
      const { violations } = await runSimulation({ seed, faults: NO_FAULTS, mistake });
      expect(violations).toEqual([]);
      expect(scaling.changes).toBeGreaterThan(100);
    },
    TEST_MS_MAX,
  );

  it(
    "do so while processes die and messages are lost",
    async () => {
      for (const seed of SEEDS) {
        const scaling = new Scaling();
        const mistake = { onControl: scaling.onControl };
        const { violations } = await runSimulation({ seed, mistake });
        expect(violations, `seed ${seed}`).toEqual([]);
        expect(scaling.changes).toBeGreaterThan(100);
      }
    },
    TEST_MS_MAX,
  );
});
