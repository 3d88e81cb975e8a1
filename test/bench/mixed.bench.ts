/** Mixed load at a fixed rate, for minutes: latencies, memory, garbage collections over time. */
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Cluster, givenCluster, startCluster } from "./curves/cluster.ts";
import { clientOf, makeNamespace } from "./curves/measure.ts";
import { drawPage } from "./curves/plot.ts";
import { ownVersions } from "./curves/versions.ts";
import type { Client } from "./load/client.ts";
import { obeyOrders, PLAY, playNodes } from "./load/player.ts";
import { format } from "./load/report.ts";
import { Collections } from "./mixed/collections.ts";
import { middle, Recording } from "./mixed/record.ts";
import { MIX, Requests, type Sink, VERBS } from "./mixed/requests.ts";
import { Rollouts } from "./mixed/rollouts.ts";

const USAGE = `npm run bench -- mixed [options]
  --minutes 10     how long, after a quarter of a minute to warm up
  --rate 300       requests a second
  --against DIR    what runs there (DIR/peer.json), with played nodes, instead of our own
  --file FILE      the picture (docs/benchmarks/mixed.svg)
The mix, of 100 requests: ${JSON.stringify(MIX)}; beside it 20 watchers,
and a Deployment of 100 on 50 nodes rolled every 30 s.`;

const { values: given } = parseArgs({
  args: process.argv.slice(2).filter((each) => each !== PLAY),
  options: {
    minutes: { type: "string", default: "10" },
    rate: { type: "string", default: "300" },
    against: { type: "string" },
    file: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

const NODES = 50;
const WATCHERS = 20;
const CONNECTIONS = 128;
const WINDOW_SECONDS = 30;
const WINDOWS_LEAST = 6;
const SAMPLE_MS = 5_000;
const WARM_UP_MS = 15_000;
const UNSEEN: Sink = { answered: () => {}, failed: () => {}, sent: () => {} };
const [minutes, rate] = [Number(given.minutes), Number(given.rate)];

if (process.argv[2] === PLAY) obeyOrders();
else if (given.help) console.info(USAGE);
else await main();

async function main(): Promise<void> {
  const peer = given.against === undefined ? undefined : givenCluster(resolve(given.against));
  const collections = new Collections();
  const { environment } = collections;
  const cluster = peer ?? (await startCluster({ nodes: NODES, environment }));
  const player = peer && (await playNodes(clientOf(peer).target, NODES));
  const end = async (): Promise<void> => {
    await player?.stop();
    await cluster.stop();
    collections.close();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => void end().finally(() => process.exit(130)));
  }
  try {
    const [load = 0] = loadavg();
    const { record, rollouts } = await run(cluster);
    show(record, rollouts, collections);
    const name =
      peer === undefined ? `Coxswain ${ownVersions()}` : `${peer.name}, ${peer.durability}`;
    const against = peer === undefined ? "" : " --against DIR";
    const file = given.file ?? join("docs", "benchmarks", peer ? "mixed-peer.svg" : "mixed.svg");
    const machine = `${cpus().length} cores, generator among them, load average ${load.toFixed(1)}`;
    const page = {
      title: `${rate} requests/s for ${minutes} minutes, 20 watchers, a rollout every 30 s`,
      panels: record.panels(record.during(collections.read())),
      caption: [
        `${name}; ${machine}, ${new Date().toISOString().slice(0, 10)}`,
        `npm run bench -- mixed --minutes ${minutes} --rate ${rate}${against}`,
      ],
    };
    writeFileSync(file, drawPage(page));
    console.info(`\ndrawn: ${file}`);
  } finally {
    await end();
  }
}

async function run(cluster: Cluster): Promise<{ record: Recording; rollouts: Rollouts }> {
  const client = clientOf(cluster, CONNECTIONS);
  const namespace = `mixed-${process.pid}`;
  await makeNamespace(client, namespace);
  const [requests, rollouts] = [
    new Requests(client, namespace),
    new Rollouts(clientOf(cluster, 2), namespace),
  ];
  await requests.prepare();
  await rollouts.prepare();
  const stops = await watch(client, namespace);
  const rolling = rollouts.run();
  // Programs are slow until they are warm: not what ten minutes of load are to show.
  await requests.run(rate, WARM_UP_MS, UNSEEN);
  const record = new Recording(Math.min(WINDOW_SECONDS, (minutes * 60) / WINDOWS_LEAST));
  const sample = (): void => record.sample(cluster.processes());
  sample();
  const sampling = setInterval(sample, SAMPLE_MS);
  await requests.run(rate, minutes * 60_000, record);
  clearInterval(sampling);
  sample();
  rollouts.stop();
  await rolling;
  for (const stop of stops) stop();
  client.close();
  return { record, rollouts };
}

/** They read what comes and look at nothing. */
function watch(client: Client, namespace: string): Promise<(() => void)[]> {
  const path = `/api/v1/namespaces/${namespace}/configmaps?watch=true`;
  const one = () => client.watch(path, () => {});
  return Promise.all(Array.from({ length: WATCHERS }, one));
}

function show(record: Recording, rollouts: Rollouts, collections: Collections): void {
  const columns = (cells: readonly string[]): void =>
    console.info(cells.map((cell) => cell.padStart(10)).join(""));
  const row = (name: string, latency: ReturnType<Recording["latency"]>): void => {
    const { count, p50, p99, worst } = latency;
    const [first, second, third, last] = [p50, p99, latency["p99.9"], worst].map(format);
    columns([name, String(count), first ?? "", second ?? "", third ?? "", last ?? ""]);
  };
  console.info(`\nMilliseconds from the moment at which a request was due`);
  columns(["", "requests", "p50", "p99", "p99.9", "worst"]);
  for (const verb of VERBS) row(verb, record.latency(verb));
  row("all", record.latency(undefined));
  console.info("\nby window");
  const windows = Array.from({ length: record.windows }, (_, window) => window);
  for (const window of windows) {
    const until = ((window + 1) * record.windowSeconds) / 60;
    row(`${until.toFixed(1)} min`, record.latency(undefined, window));
  }
  const late = [...record.late].sort((a, b) => a - b);
  const lateness = [0.5, 0.99].map((share) => format(late[Math.floor(late.length * share)] ?? 0));
  console.info(`\nthe generator's own lateness: p50 ${lateness[0]}, p99 ${lateness[1]} ms`);
  const failures = [...record.failures].map(([what, count]) => `${what} (${count})`);
  console.info(`failures: ${failures.join(", ") || "none"}`);
  console.info(`rollouts, seconds: ${rollouts.seconds.map(format).join(", ")}`);
  showCollections(record, collections);
  const p99s = windows.map((window) => record.latency(undefined, window).p99);
  const third = Math.floor(p99s.length / 3);
  const [early, end] = [middle(p99s.slice(third, 2 * third)), middle(p99s.slice(2 * third))];
  console.info(`p99, last third against the second: ${format(end)} to ${format(early)} ms`);
  for (const [name, growth] of record.growth()) {
    const points = record.memory().get(name) ?? [];
    const last = format(points.at(-1)?.[1] ?? 0);
    console.info(`memory of ${name}: ${last} MB, ${format(growth)} MB a minute in the second half`);
  }
}

function showCollections(record: Recording, collections: Collections): void {
  const all = record.during(collections.read());
  for (const name of new Set(all.map(({ process }) => process))) {
    const times = all.filter(({ process }) => process === name).map(({ ms }) => ms);
    const total = times.reduce((sum, ms) => sum + ms, 0) / (minutes * 60_000);
    const sorted = times.sort((a, b) => a - b);
    const p99 = sorted[Math.floor(sorted.length * 0.99)] ?? 0;
    const longest = sorted.at(-1) ?? 0;
    console.info(
      `garbage collections of ${name}: ${times.length}, ${format(total * 100)} % of the time, ` +
        `p99 ${format(p99)} ms, longest ${format(longest)} ms`,
    );
  }
}
