/**
 * What recording decisions costs, and how fast they are made again: a simulated cluster that rolls
 * Deployments over and over, in pairs with records encoded as they are sent and with none.
 */
import { ACTORS } from "../../services/replay/actors.ts";
import { reportOf } from "../../services/replay/replay.ts";
import type { DecisionRecord } from "../../shared/log/decision.ts";
import { liveRuntime } from "../../shared/runtime/live.ts";
import { World } from "../history/world.ts";
import { deployment } from "../replay/life.ts";

const DEPLOYMENTS = 4;
const REPLICAS = 6;
const ROLLS = 20;
const ROLL_MS = 6_000;
const PAIRS = 5;
const place = { resource: "deployments.apps", namespace: "default" } as const;

/** Processor milliseconds of the rollouts, and what was recorded. */
async function rolled(onDecision: (record: DecisionRecord) => void) {
  const world = await World.start({ onDecision });
  const names = Array.from({ length: DEPLOYMENTS }, (_, index) => `web-${index}`);
  for (const name of names) {
    await world.ask("bench", { verb: "create", ...place, body: deployment(name, REPLICAS) });
  }
  await world.advance(ROLL_MS);
  const before = process.cpuUsage();
  for (let roll = 0; roll < ROLLS; roll++) {
    for (const name of names) {
      const template = { spec: { containers: [{ name: "c", image: `${name}:${roll}` }] } };
      const contentType = "application/merge-patch+json";
      const body = { spec: { template } };
      await world.ask("bench", { verb: "patch", ...place, name, contentType, body });
    }
    await world.advance(ROLL_MS);
  }
  const { user, system } = process.cpuUsage(before);
  return { world, ms: (user + system) / 1000 };
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] as number;

const sizes = new Map<string, number[]>();
const encode = (record: DecisionRecord): void => {
  const { length } = Buffer.from(JSON.stringify(record));
  const known = sizes.get(record.actor);
  if (known === undefined) sizes.set(record.actor, [length]);
  else known.push(length);
};
const ratios: number[] = [];
await rolled(() => undefined);
let { world } = await rolled(encode);
for (let pair = 0; pair < PAIRS; pair++) {
  sizes.clear();
  const without = await rolled(() => undefined);
  const recorded = await rolled(encode);
  ratios.push(recorded.ms / without.ms);
  process.stdout.write(`${without.ms.toFixed(0)} ms without, ${recorded.ms.toFixed(0)} ms with\n`);
  world = recorded.world;
}
const cost = ((median(ratios) - 1) * 100).toFixed(1);
process.stdout.write(`\nrecording: ${cost} % of the processor time (median of ${PAIRS} pairs)\n`);
for (const [actor, lengths] of sizes) {
  const mean = Math.round(lengths.reduce((sum, length) => sum + length, 0) / lengths.length);
  process.stdout.write(`${actor}: ${lengths.length} decisions, ${mean} bytes each\n`);
}

const { history } = world;
const to = await history.logs.cluster.head();
const speeds: number[] = [];
for (let run = 0; run < PAIRS; run++) {
  const report = await reportOf({ history, runtime: liveRuntime(), from: 0, to, actors: ACTORS });
  const decisions = report.actors.reduce((sum, actor) => sum + actor.decisions, 0);
  const others = report.actors.some(({ decisions: all, identical }) => all !== identical);
  if (others) throw new Error("the replay is not identical");
  speeds.push((decisions / report.tookMs) * 1000);
}
process.stdout.write(
  `\nreplay: ${Math.round(median(speeds))} decisions/s, 100,000 in ` +
    `${(100_000 / median(speeds)).toFixed(1)} s; over ${to} revisions\n`,
);
