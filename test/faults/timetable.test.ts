import { expect, it } from "vitest";
import { parseFaults } from "../../shared/faults/language.ts";
import { Timetable } from "../../shared/faults/timetable.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";

/** What happens when, as lines. */
async function run(file: unknown, ms: number): Promise<string[]> {
  const simulator = new SeededRuntime({ seed: 4 });
  const lines: string[] = [];
  const random = simulator.random.stream("timetable");
  const timetable = new Timetable(parseFaults(file), simulator.timers, random, {
    lasting: (faults) => void lines.push(`${simulator.nowMs} ${faults.lag ? "lag" : "-"}`),
    strike: (kind, index, forMs) =>
      void lines.push(`${simulator.nowMs} ${kind}[${index}] ${forMs}`),
  });
  timetable.start();
  await simulator.advance(ms);
  timetable.stop();
  await simulator.advance(ms);
  return [...new Set(lines)];
}

it("keeps a fault that has no times on all the time", async () => {
  expect(await run({ lag: { ms: 5 } }, 60_000)).toEqual(["0 lag"]);
});

it("switches a fault on and off in its window", async () => {
  const lag = { ms: 5, when: { from: "1s", until: "6s" }, every: "2s", for: "1s" };
  expect(await run({ lag }, 60_000)).toEqual(["0 -", "1000 lag", "2000 -", "4000 lag", "5000 -"]);
});

it("strikes again and again, after the end of what lasts, until it is told to stop", async () => {
  const file = {
    kill: { every: "1s", when: { until: "3s" } },
    pause: [{ every: "2s", for: "5s" }],
  };
  expect(await run(file, 10_000)).toEqual([
    "0 -",
    "1000 kill[0] 0",
    "2000 pause[0] 5000",
    "2000 kill[0] 0",
    "3000 kill[0] 0",
    "9000 pause[0] 5000",
  ]);
});
