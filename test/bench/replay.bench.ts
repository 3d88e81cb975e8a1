/**
 * What recording decisions costs, and how fast they are made again: two clusters with simulated
 * nodes, of which only one records, roll the same Deployments in turn; then the history of the one
 * is replayed. CPU is that of the control plane's processes and the NATS server, without the nodes.
 * `--pairs N` (6), `--deployments N` (10), `--replicas N` (30).
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { withHistory } from "../../services/cli/history/open.ts";
import { ACTORS } from "../../services/replay/actors.ts";
import { reportOf } from "../../services/replay/replay.ts";
import { liveRuntime } from "../../shared/runtime/live.ts";
import { RunningCluster } from "../kubectl/cluster.ts";
import { controlPlane, cpuBetween, usageOf } from "./load/processes.ts";

const { values } = parseArgs({
  options: {
    pairs: { type: "string", default: "6" },
    deployments: { type: "string", default: "10" },
    replicas: { type: "string", default: "30" },
  },
});
const [pairs, deployments, replicas] = [values.pairs, values.deployments, values.replicas].map(
  Number,
) as [number, number, number];
const NODES = "20";
const SPEEDS = 3;

interface Turn {
  readonly wallMs: number;
  readonly cpuMs: number;
}

/** Started with records, or without. */
async function start(records: boolean): Promise<RunningCluster> {
  if (records) delete process.env["COX_DECISIONS"];
  else process.env["COX_DECISIONS"] = "none";
  const cluster = await RunningCluster.start("--runtime", "simulated", "--nodes", NODES);
  const manifests = Array.from(
    { length: deployments },
    (_, index) => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web-${index} }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: web-${index} } }
  template:
    metadata: { labels: { app: web-${index} } }
    spec: { containers: [{ name: c, image: "demo:1" }] }
`,
  );
  await cluster.must(`kubectl apply -f - <<'END'\n${manifests.join("---")}END\n`);
  await cluster.must(UNTIL_ROLLED);
  return cluster;
}

const UNTIL_ROLLED = "kubectl rollout status deployment --timeout 60s -w >/dev/null";

function processesOf({ data }: RunningCluster) {
  const folder = join(data, "run");
  return readdirSync(folder)
    .map((file) => file.replace(".pid", ""))
    .filter((name) => name !== "supervisor")
    .map((name) => ({ name, pid: Number(readFileSync(join(folder, `${name}.pid`), "utf8")) }));
}

/** Rolls all Deployments of a cluster. */
async function roll(cluster: RunningCluster, image: string): Promise<Turn> {
  const processes = processesOf(cluster);
  const before = usageOf(processes);
  const started = performance.now();
  await cluster.must(`kubectl set image deployment --all c=${image} >/dev/null`);
  await cluster.must(UNTIL_ROLLED);
  const wallMs = performance.now() - started;
  const used = controlPlane(cpuBetween(before, usageOf(processes)));
  return { wallMs, cpuMs: 1000 * [...used.values()].reduce((sum, seconds) => sum + seconds, 0) };
}

const median = (numbers: readonly number[]): number => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = 0, high = 0] = [sorted[middle - 1], sorted[middle]];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
};
const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** In pairs, every second one in turned order. */
async function compare(recording: RunningCluster, silent: RunningCluster): Promise<void> {
  const turns: { with: Turn; without: Turn }[] = [];
  for (let pair = -1; pair < pairs; pair++) {
    const order = pair % 2 === 0 ? [recording, silent] : [silent, recording];
    const done = new Map<RunningCluster, Turn>();
    for (const cluster of order) done.set(cluster, await roll(cluster, `demo:${pair + 3}`));
    const turn = { with: done.get(recording) as Turn, without: done.get(silent) as Turn };
    // The first one warms up.
    if (pair >= 0) turns.push(turn);
  }
  const show = (what: keyof Turn, unit: string): void => {
    const [more, less] = [turns.map((turn) => turn.with), turns.map((turn) => turn.without)];
    const ratio = median(turns.map((turn) => turn.with[what] / turn.without[what]));
    const texts = [more, less].map((each) => Math.round(median(each.map((turn) => turn[what]))));
    const percent = ((ratio - 1) * 100).toFixed(1);
    say(`${unit}: ${texts[0]} ms recorded, ${texts[1]} ms not: ${percent} % (median of pairs)`);
  };
  say(`${deployments} rollouts of ${replicas} pods, ${pairs} pairs`);
  show("cpuMs", "CPU");
  show("wallMs", "time");
}

async function replayed({ data }: RunningCluster): Promise<void> {
  await withHistory({ data }, async (history) => {
    const sizes = new Map<string, { count: number; bytes: number }>();
    await history.eachDecision({ from: 0, to: Date.now() }, (record) => {
      const { count, bytes } = sizes.get(record.actor) ?? { count: 0, bytes: 0 };
      const length = Buffer.byteLength(JSON.stringify(record));
      sizes.set(record.actor, { count: count + 1, bytes: bytes + length });
    });
    for (const [actor, { count, bytes }] of sizes) {
      if (count > 10) say(`${actor}: ${count} decisions, ${Math.round(bytes / count)} bytes each`);
    }
    const to = await history.logs.cluster.head();
    const question = { history, runtime: liveRuntime(), from: 0, to, actors: ACTORS };
    const speeds: number[] = [];
    for (let run = 0; run < SPEEDS; run++) {
      const { actors, tookMs } = await reportOf(question);
      const decisions = actors.reduce((sum, actor) => sum + actor.decisions, 0);
      const same = actors.reduce((sum, actor) => sum + actor.identical, 0);
      if (same !== decisions) throw new Error(`${decisions - same} decisions are not identical`);
      speeds.push((decisions / tookMs) * 1000);
      say(`replay: ${decisions} decisions over ${to} revisions in ${Math.round(tookMs)} ms`);
    }
    const speed = median(speeds);
    const seconds = (100_000 / speed).toFixed(0);
    say(`replay: ${Math.round(speed)} decisions/s (median), 100,000 in ${seconds} s`);
  });
}

const recording = await start(true);
try {
  const silent = await start(false);
  try {
    await compare(recording, silent);
  } finally {
    await silent.end();
  }
  await replayed(recording);
} finally {
  await recording.end();
}
