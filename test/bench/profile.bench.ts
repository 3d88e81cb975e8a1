/**
 * Where the processes of a cluster spend their time under load: a flame graph for each kind of
 * work, and the functions that took most of it.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Cluster, startCluster } from "./curves/cluster.ts";
import { configMap } from "./load/bodies.ts";
import { Client, MERGE_PATCH } from "./load/client.ts";
import { CONNECTIONS, each, load } from "./load/lanes.ts";
import { container } from "./load/pod-observer.ts";
import { profiled } from "./profile/profiled.ts";

const USAGE = `npm run bench -- profile [options]
  --only A,B     of ${Object.keys(worksOf("")).join(", ")}
  --seconds N    how long each is profiled (4)
  --to DIR       where profile-*.svg go (docs/benchmarks)
`;
const NODES = 100;
const OBJECTS = 5_000;
const CONFIG_MAPS = "/api/v1/namespaces/default/configmaps";
const PODS = "/api/v1/namespaces/default/pods";

const { values: given } = parseArgs({
  options: {
    only: { type: "string" },
    seconds: { type: "string", default: "4" },
    to: { type: "string", default: join("docs", "benchmarks") },
    help: { type: "boolean", default: false },
  },
});

if (given.help) console.info(USAGE);
else await main();

interface Work {
  /** Whose profile is taken. */
  readonly process: "apiserver" | "control";
  run(client: Client, index: number): Promise<unknown>;
}

/** Names of objects are numbered by a run. */
function worksOf(run: string): Record<string, Work> {
  const create = (client: Client, index: number) =>
    client.ok("POST", CONFIG_MAPS, configMap(`${run}-${index}`, {}));
  const pod = (client: Client, index: number) => {
    const metadata = { name: `${run}-${index}` };
    const spec = { containers: [container("bench:1")] };
    return client.ok("POST", PODS, { apiVersion: "v1", kind: "Pod", metadata, spec });
  };
  const patch = (client: Client, index: number) => {
    const change = { data: { round: `${run}-${index}` } };
    return client.ok("PATCH", `${CONFIG_MAPS}/warm-${index % OBJECTS}`, change, MERGE_PATCH);
  };
  const get = (client: Client, index: number) =>
    client.ok("GET", `${CONFIG_MAPS}/warm-${index % OBJECTS}`);
  return {
    create: { process: "apiserver", run: create },
    get: { process: "apiserver", run: get },
    patch: { process: "apiserver", run: patch },
    pods: { process: "apiserver", run: pod },
    "pods-control": { process: "control", run: pod },
  };
}

async function main(): Promise<void> {
  const chosen = given.only?.split(",") ?? Object.keys(worksOf(""));
  mkdirSync(given.to, { recursive: true });
  const cluster = await startCluster({ nodes: NODES });
  const client = new Client(cluster.target, CONNECTIONS);
  try {
    const warm = worksOf("warm");
    await each(OBJECTS, (index) => (warm["create"] as Work).run(client, index));
    for (const name of chosen) await measure(cluster, client, name);
  } finally {
    client.close();
    cluster.stop();
  }
}

async function measure(cluster: Cluster, client: Client, name: string): Promise<void> {
  const work = worksOf(name)[name];
  if (work === undefined) throw new Error(USAGE);
  const seconds = Number(given.seconds);
  const file = join(given.to, `profile-${name}.svg`);
  const words = ["profile", work.process, "--data", cluster.data ?? "", "--for", `${seconds}s`];
  const profiling = profiled([...words, "-o", file]);
  // Longer than the profile: it begins a moment later.
  const made = await load(Number.POSITIVE_INFINITY, (seconds + 1) * 1_000, (index) =>
    work.run(client, index),
  );
  const [title = "", ...rows] = (await profiling).trim().split("\n");
  console.info(`\n${name}, ${made.perSecond.toFixed(0)}/s; ${title}; ${file}`);
  console.info(rows.slice(0, 10).join("\n"));
}
