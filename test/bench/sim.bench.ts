/**
 * How fast the simulation runs: whole seeds with faults drawn from them, one after the other in one
 * process, as `cox sim --jobs 1` does. `--seeds N`: how many (20).
 */
import { parseArgs } from "node:util";
import { runSimulation } from "../sim/simulate.ts";

const { values } = parseArgs({ options: { seeds: { type: "string", default: "20" } } });
const count = Number(values.seeds);
const total = { events: 0, virtualMs: 0, revisions: 0, cpuMs: 0, wallMs: 0 };
const cpuOfSeeds: number[] = [];
// The first ones compile what the others run.
for (const seed of [1, 2]) await runSimulation({ seed });
for (let seed = 11; seed < 11 + count; seed++) {
  const [cpu, wall] = [process.cpuUsage(), performance.now()];
  const { events, virtualMs, revision, violations } = await runSimulation({ seed });
  if (violations.length > 0) throw new Error(`seed ${seed} fails: ${violations[0]}`);
  const { user, system } = process.cpuUsage(cpu);
  const cpuMs = (user + system) / 1000;
  cpuOfSeeds.push(cpuMs);
  total.events += events;
  total.virtualMs += virtualMs;
  total.revisions += revision;
  total.cpuMs += cpuMs;
  total.wallMs += performance.now() - wall;
}
const rate = (amount: number, ms: number): string => Math.round((amount / ms) * 1000).toString();
const sorted = [...cpuOfSeeds].sort((a, b) => a - b);
const median = Math.round(sorted[sorted.length >> 1] ?? 0);
process.stdout.write(
  [
    `${count} seeds in ${(total.wallMs / 1000).toFixed(1)} s, ${median} ms of CPU each (median)`,
    `steps/s: ${rate(total.events, total.wallMs)}`,
    `commits/s: ${rate(total.revisions, total.wallMs)}`,
    `virtual seconds per second: ${rate(total.virtualMs / 1000, total.wallMs)}`,
    "",
  ].join("\n"),
);
