import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { loadFaults, parseFaults } from "../../shared/faults/language.ts";
import { runSimulation } from "./simulate.ts";

describe("the simulation", { timeout: 300_000 }, () => {
  it("gives the same run for the same seed, to the last event", async () => {
    const lines: string[][] = [];
    const results = [];
    for (let turn = 0; turn < 2; turn++) {
      const trace: string[] = [];
      lines.push(trace);
      results.push(await runSimulation({ seed: 7, onTrace: (line) => void trace.push(line) }));
    }
    expect(lines[0]?.length).toBeGreaterThan(100);
    expect(lines[0]).toEqual(lines[1]);
    expect(results[0]).toEqual(results[1]);
  });

  it("gives another run for another seed", async () => {
    const [one, other] = [await runSimulation({ seed: 7 }), await runSimulation({ seed: 8 })];
    expect(one.traceHash).not.toBe(other.traceHash);
  });

  it("makes the faults of a fault file happen, and only those", async () => {
    const crash = { actor: "control-*", probability: 0.005, downMs: [50, 500] };
    const trace: string[] = [];
    const faults = parseFaults({ crash });
    const result = await runSimulation({
      seed: 7,
      faults,
      onTrace: (line) => void trace.push(line),
    });
    const crashed = trace.filter((line) => line.includes(" crash "));
    expect(result.violations).toEqual([]);
    expect(result.crashes).toBeGreaterThan(3);
    expect(crashed.every((line) => line.includes("crash control-"))).toBe(true);
    expect(trace.some((line) => line.includes(" cut "))).toBe(false);
  });

  it.each(["all", "apiserver-dies"])("bears the fault file %s", async (name) => {
    const path = fileURLToPath(new URL(`./faults/${name}.yaml`, import.meta.url));
    const result = await runSimulation({ seed: 11, faults: loadFaults(path) });
    expect(result.violations).toEqual([]);
    expect(result.crashes).toBeGreaterThan(0);
  });

  it("refuses a fault that it does not know, with its name", () => {
    expect(() => parseFaults({ crash: { probability: 0.1 }, flood: {} })).toThrow("flood");
    expect(() => parseFaults({ crash: { probability: 2 } })).toThrow("probability");
  });

  it("prints the line that repeats a run", async () => {
    const result = await runSimulation({ seed: 3, steps: 4 });
    expect(result.reproduce).toBe("npx cox sim --seeds 3..3 --steps 4 --trace");
  });
});
