/** Growth curves: what things cost as there are more of them; figures kept, pictures drawn. */
import { mkdtempSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Cluster, givenCluster, startCluster } from "./curves/cluster.ts";
import { drawCurve, keepRun, OWN, type Point } from "./curves/data.ts";
import { history } from "./curves/history.ts";
import type { Context, Curve } from "./curves/measure.ts";
import { objects } from "./curves/objects.ts";
import { nodes, pods } from "./curves/pods.ts";
import { replicas } from "./curves/replicas.ts";
import { ownVersions } from "./curves/versions.ts";
import { watchers } from "./curves/watchers.ts";
import { format } from "./load/report.ts";

const CURVES: readonly Curve[] = [objects, watchers, nodes, pods, history, replicas];
const NAMES = CURVES.map(({ name }) => name).join(",");

const USAGE = `npm run bench -- curves [options]
  --only ${NAMES}
  --quick          small sizes, to see that everything works; figures into a temporary folder
  --against DIR    what runs there (DIR/peer.json) instead of our own; objects, watchers, history
  --minutes 3.5    what one curve may take; sizes that it does not reach are left out
  --file FILE      keeps the figures (docs/benchmarks/curves.json); pictures go beside it
  --draw           only draws the pictures again`;

const { values: given } = parseArgs({
  options: {
    only: { type: "string", default: NAMES },
    quick: { type: "boolean", default: false },
    against: { type: "string" },
    minutes: { type: "string", default: "3.5" },
    file: { type: "string" },
    draw: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const FIGURES = join("docs", "benchmarks", "curves.json");
const scratch = (): string => join(mkdtempSync(join(tmpdir(), "coxswain-curves-")), "curves.json");
const file = given.file ?? (given.quick ? scratch() : FIGURES);
const mostMs = Number(given.minutes) * 60_000;
/** The clusters of the run, to be ended when it is broken off. */
const running = new Set<Cluster>();

if (given.help) console.info(USAGE);
else await main();

async function main(): Promise<void> {
  const names = given.only.split(",");
  const unknown = names.filter((name) => CURVES.every((curve) => curve.name !== name));
  if (unknown.length > 0) throw new Error(`no such curve: ${unknown.join(", ")}\n${USAGE}`);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      for (const cluster of running) cluster.stop();
      process.exit(130);
    });
  }
  for (const curve of CURVES.filter(({ name }) => names.includes(name))) {
    if (given.against !== undefined && !curve.anywhere) continue;
    if (!given.draw) await run(curve);
    const picture = drawCurve(file, curve);
    if (picture !== undefined) console.info(`  drawn: ${picture}`);
  }
}

async function run(curve: Curve): Promise<void> {
  const peer = given.against === undefined ? undefined : givenCluster(resolve(given.against));
  const began = performance.now();
  const points: Point[] = [];
  const quick = given.quick ? " --quick" : "";
  const against = peer === undefined ? "" : " --against DIR";
  const about = {
    curve: curve.name,
    system: peer?.name ?? OWN,
    command: `npm run bench -- curves --only ${curve.name}${quick}${against}`,
    versions: peer === undefined ? ownVersions() : peer.durability,
    machine: machine(),
  };
  console.info(`\n${curve.title} (${about.system})`);
  const context: Context = {
    quick: given.quick,
    late: () => performance.now() - began > mostMs,
    cluster: async (options) => {
      const cluster = peer ?? (await startCluster(options));
      running.add(cluster);
      const stop = (): void => {
        running.delete(cluster);
        cluster.stop();
      };
      return { ...cluster, stop };
    },
    point: (x, figures) => {
      points.push({ x, figures: rounded(figures) });
      keepRun(file, { ...about, points });
      const shown = Object.entries(figures).map(([name, value]) => `${name} ${format(value)}`);
      console.info(`  ${x.toLocaleString("en-US")} ${curve.x.label}: ${shown.join(", ")}`);
    },
  };
  await curve.measure(context);
  console.info(`  took ${((performance.now() - began) / 1_000).toFixed(0)} s`);
}

function rounded(figures: Readonly<Record<string, number>>): Record<string, number> {
  const some = Object.entries(figures).filter(([, value]) => Number.isFinite(value));
  return Object.fromEntries(some.map(([name, value]) => [name, Number(value.toPrecision(4))]));
}

function machine(): string {
  const [load = 0] = loadavg();
  const day = new Date().toISOString().slice(0, 10);
  return `${cpus().length} cores, generator among them, load average ${load.toFixed(1)}, ${day}`;
}
