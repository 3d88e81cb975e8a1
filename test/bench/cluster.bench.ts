/**
 * A cluster under load: objects, lists, watches, pods, a Deployment, start-up, memory, CPU.
 * Prints only. Without arguments it starts clusters of its own and removes them afterwards.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { isMainThread, workerData } from "node:worker_threads";
import { measureCeiling, serveBare } from "./load/ceiling.ts";
import { Client } from "./load/client.ts";
import { CONNECTIONS, type Limits, measureObjects } from "./load/objects.ts";
import { measureDeployment, measurePods } from "./load/pods.ts";
import { type Process, sum, usageOf } from "./load/processes.ts";
import { Report } from "./load/report.ts";
import { type Cluster, fromKubeconfig, givenCluster, ownCluster } from "./load/target.ts";
import { measureWatches } from "./load/watchers.ts";

const USAGE = `npm run bench -- cluster [options]
  --kubeconfig FILE | --server URL [--ca FILE] [--token TOKEN]   a cluster that runs already
  --process NAME=PID   its processes, for memory and CPU (repeatable)
  --quick              fewer objects and pods; under a minute
  --durability relaxed of the clusters that it starts itself
  --runs N             repeats everything and prints the medians
  --json FILE          also writes the figures there
`;

const { values: given } = parseArgs({
  options: {
    kubeconfig: { type: "string" },
    server: { type: "string" },
    ca: { type: "string" },
    token: { type: "string" },
    process: { type: "string", multiple: true, default: [] },
    quick: { type: "boolean", default: false },
    durability: { type: "string", default: "strict" },
    runs: { type: "string", default: "1" },
    json: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

const { quick } = given;
const limits: Limits = quick
  ? { objects: 1_000, durationMs: 1_000, mostMs: 10_000 }
  : { objects: 5_000, durationMs: 4_000, mostMs: 30_000 };
const singlePods = quick ? 200 : 2_000;
const replicas = quick ? 200 : 1_000;
const IDLE_MS = 5_000;

const report = new Report();

if (!isMainThread) serveBare(workerData);
else if (given.help) console.info(USAGE);
else await main();

async function main(): Promise<void> {
  const loads: number[] = [];
  for (let run = 0; run < Number(given.runs); run++) {
    // Before the run: what others do on this machine.
    loads.push(loadavg()[0] ?? 0);
    if (given.kubeconfig !== undefined || given.server !== undefined) await measureGiven();
    else await measureOwn();
  }
  console.info(`\n${report.table()}\n`);
  console.info("reference: kube-apiserver, controller-manager, scheduler v1.20 and etcd 3.4 with");
  console.info("client rate limits raised, measured elsewhere: not in this run.");
  const load = loads.map((each) => each.toFixed(1)).join(", ");
  const { length: cores } = cpus();
  console.info(`This machine: ${cores} cores, load average before each run: ${load}.`);
  console.info("Load generator: one Node process on the same machine as the servers.");
  if (given.json !== undefined) writeFileSync(given.json, report.json());
}

async function measureGiven(): Promise<void> {
  const ca = given.ca === undefined ? {} : { ca: readFileSync(given.ca, "utf8") };
  const { server = "", token } = given;
  const target = given.kubeconfig
    ? fromKubeconfig(given.kubeconfig)
    : { server, insecure: given.ca === undefined, ...ca, ...(token !== undefined && { token }) };
  const cluster = givenCluster(target, given.process);
  console.info(`\n${cluster.description}`);
  await measureAll(cluster);
}

async function measureOwn(): Promise<void> {
  await withCluster(1, async (cluster) => {
    const { answered = Number.NaN, ready = Number.NaN } = cluster.startUp ?? {};
    const first = { value: answered / 1000, unit: "s", limit: 1.5 };
    report.add({ what: "start to first answered request, new cluster", ...first });
    const second = { value: ready / 1000, unit: "s", reference: 4 };
    report.add({ what: "start to node Ready, new cluster", ...second });
    await pause(IDLE_MS);
    const before = usageOf(cluster.processes);
    await pause(IDLE_MS);
    addMemory("idle, 1 node", cluster.processes, 200);
    const cpu = sum(usageOf(cluster.processes).map(({ cpuSeconds }) => cpuSeconds));
    const idle = cpu - sum(before.map(({ cpuSeconds }) => cpuSeconds));
    const what = "CPU idle, 1 node";
    report.add({ what, value: (idle * 1e5) / IDLE_MS, unit: "% of a core" });
  });
  await withCluster(100, measureAll);
  if (quick) return;
  await withCluster(500, async ({ target }) => {
    const client = new Client(target, CONNECTIONS);
    await measurePods(client, { count: singlePods, limits, report });
    client.close();
  });
}

async function withCluster(nodes: number, measure: (cluster: Cluster) => Promise<void>) {
  const cluster = await ownCluster(nodes, given.durability);
  console.info(`\n${cluster.description}`);
  try {
    await measure(cluster);
  } finally {
    cluster.stop();
  }
}

async function measureAll({ target, processes }: Cluster): Promise<void> {
  const client = new Client(target, CONNECTIONS);
  await measureCeiling(process.argv[1] ?? "", limits, report);
  await measureObjects(client, { limits, processes, report });
  await measureWatches(client, limits, report);
  await measurePods(client, { count: singlePods, limits, report });
  await measureDeployment(client, { replicas, processes, report });
  // A third of the reference's 3 GB.
  addMemory("after load", processes, 1_000);
  client.close();
}

/** Simulated nodes stand for other machines: they are shown, but not part of the control plane. */
function addMemory(when: string, processes: readonly Process[], limit: number): void {
  const usage = usageOf(processes);
  if (usage.length === 0) return;
  const own = usage.filter(({ name }) => name !== "nodes");
  const note = usage
    .map(({ name, pss, rss, peakRss }) => {
      const [now, all, peak] = [pss, rss, peakRss].map((each) => each.toFixed(0));
      return `${name} ${now} (RSS ${all}, peak ${peak})`;
    })
    .join(", ");
  const what = `memory of the control plane (PSS), ${when}`;
  report.add({ what, value: sum(own.map(({ pss }) => pss)), unit: "MB", limit, note });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
