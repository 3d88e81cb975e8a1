/**
 * A large cluster: nodes, pods, a rollout, and what its users feel meanwhile. Prints only; starts a
 * cluster of its own and removes it.
 */
import { writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { Client, MERGE_PATCH } from "./load/client.ts";
import { pause } from "./load/lanes.ts";
import { container } from "./load/pod-observer.ts";
import { controlPlane, cpuBetween, sum, type Usage, usageOf } from "./load/processes.ts";
import { type Cluster, ownCluster } from "./load/target.ts";

const USAGE = `npm run bench -- large [options]
  --nodes N        simulated nodes (5000)
  --pods N         pods, in Deployments of --each (50000)
  --each N         pods of a Deployment; one of them is rolled (10000)
  --durability relaxed
  --json FILE      also writes the lines there
`;

const { values: given } = parseArgs({
  options: {
    nodes: { type: "string", default: "5000" },
    pods: { type: "string", default: "50000" },
    each: { type: "string", default: "10000" },
    durability: { type: "string", default: "strict" },
    json: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

const DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments";
const PROBE = "/api/v1/namespaces/default/configmaps";
const STEP_MS = 300_000;
const POLL_MS = 500;
/** Between two requests of a client: enough of them for a 99th percentile. */
const PROBE_MS = 20;
const IDLE_MS = 20_000;
const lines: string[] = [];

async function main(nodes: number, pods: number, each: number): Promise<void> {
  say(`load average before: ${(loadavg()[0] ?? 0).toFixed(1)}; durability: ${given.durability}`);
  const began = performance.now();
  const cluster = await ownCluster({ checkout: ".", nodes, durability: given.durability });
  try {
    const large = new Large(cluster);
    await large.nodesReady(nodes, began);
    for (let made = 0; made < pods; made += each) await large.deploy(`app-${made / each}`, each);
    await large.idle();
    await large.lists();
    await large.roll("app-0", each);
    await large.lists();
  } finally {
    await cluster.stop();
  }
  if (given.json !== undefined) writeFileSync(given.json, JSON.stringify(lines, undefined, 1));
}

function say(line: string): void {
  lines.push(line);
  console.info(line);
}

interface DeploymentStatus {
  readonly observedGeneration?: number;
  readonly replicas?: number;
  readonly updatedReplicas?: number;
  readonly readyReplicas?: number;
}

class Large {
  readonly #cluster: Cluster;
  readonly #client: Client;
  #probing = false;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#client = new Client(cluster.target, 8);
  }

  async nodesReady(count: number, began: number): Promise<void> {
    const before: Usage[] = [];
    const done = await until(async () => {
      const { items } = await this.#client.json<{ items: readonly Node[] }>("/api/v1/nodes");
      return items.filter(isUsable).length >= count;
    });
    this.#show(`${count} nodes Ready${done}`, began, before);
  }

  async deploy(name: string, replicas: number): Promise<void> {
    const spec = {
      replicas,
      selector: { matchLabels: { app: name } },
      template: template(name, "1"),
    };
    await this.#step(`Deployment of ${replicas} Ready`, name, replicas, () =>
      this.#client.ok("POST", DEPLOYMENTS, { metadata: { name }, spec }),
    );
  }

  async roll(name: string, replicas: number): Promise<void> {
    const spec = { template: template(name, "2") };
    await this.#step(`Deployment of ${replicas} rolled`, name, replicas, () =>
      this.#client.ok("PATCH", `${DEPLOYMENTS}/${name}`, { spec }, MERGE_PATCH),
    );
  }

  async idle(): Promise<void> {
    const before = usageOf(this.#cluster.processes);
    const began = performance.now();
    const latencies = this.#probe();
    await pause(IDLE_MS);
    this.#probing = false;
    this.#show("idle", began, before, await latencies);
  }

  async lists(): Promise<void> {
    for (const path of ["/api/v1/pods", "/api/v1/pods?limit=500", "/api/v1/nodes"]) {
      const began = performance.now();
      const { body } = await this.#client.ok("GET", path);
      const size = (body.length / 1e6).toFixed(1);
      say(`GET ${path}: ${(performance.now() - began).toFixed(0)} ms, ${size} MB`);
    }
  }

  async #step(what: string, name: string, replicas: number, change: () => Promise<unknown>) {
    const before = usageOf(this.#cluster.processes);
    const began = performance.now();
    const latencies = this.#probe();
    await change();
    const path = `${DEPLOYMENTS}/${name}`;
    const done = await until(async () => {
      const { metadata, status } = await this.#client.json<{
        metadata: { generation: number };
        status?: DeploymentStatus;
      }>(path);
      const { observedGeneration = 0, updatedReplicas, readyReplicas } = status ?? {};
      if (observedGeneration < metadata.generation) return false;
      const all = [updatedReplicas, readyReplicas, status?.replicas];
      return all.every((count) => count === replicas);
    });
    this.#probing = false;
    this.#show(`${what}${done}`, began, before, await latencies);
  }

  /** Single reads, and beside them single writes, one after the other by a client each. */
  async #probe(): Promise<Latencies> {
    const body = JSON.stringify({ metadata: { name: "probe" } });
    await this.#client.send("POST", PROBE, body);
    this.#probing = true;
    const [reads, writes] = await Promise.all([
      this.#repeat((client) => client.ok("GET", `${PROBE}/probe`)),
      this.#repeat((client, round) => {
        const change = { data: { round: String(round) } };
        return client.ok("PATCH", `${PROBE}/probe`, change, MERGE_PATCH);
      }),
    ]);
    return { reads, writes };
  }

  async #repeat(ask: (client: Client, round: number) => Promise<unknown>): Promise<number[]> {
    const client = new Client(this.#cluster.target, 1);
    const latencies: number[] = [];
    // The handshake is no part of a request.
    await client.ok("GET", "/version");
    for (let round = 0; this.#probing; round++) {
      const start = performance.now();
      await ask(client, round);
      latencies.push(performance.now() - start);
      await pause(PROBE_MS);
    }
    client.close();
    return latencies;
  }

  #show(what: string, began: number, before: Usage[], latencies?: Latencies): void {
    const seconds = (performance.now() - began) / 1000;
    const now = usageOf(this.#cluster.processes);
    const used = cpuBetween(before, now);
    const cpu = [...used].map(([name, each]) => `${name} ${each.toFixed(1)}`).join(", ");
    const total = sum(controlPlane(used).values());
    say(
      `${what}: ${seconds.toFixed(1)} s; CPU of the control plane ${total.toFixed(1)} s (${cpu})`,
    );
    const memory = now.map(({ name, pss, peakRss }) => `${name} ${mb(pss)} (peak ${mb(peakRss)})`);
    say(`  memory, MB: ${memory.join(", ")}; in all ${mb(sum(now.map(({ pss }) => pss)))}`);
    if (latencies === undefined) return;
    say(`  single reads: ${spread(latencies.reads)}; writes: ${spread(latencies.writes)}`);
  }
}

interface Latencies {
  readonly reads: number[];
  readonly writes: number[];
}

interface Node {
  readonly spec?: { readonly taints?: readonly unknown[] };
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

function isUsable({ spec, status }: Node): boolean {
  const ready = status?.conditions?.some(
    ({ type, status }) => type === "Ready" && status === "True",
  );
  return ready === true && (spec?.taints ?? []).length === 0;
}

function template(app: string, version: string): object {
  const spec = { containers: [container(`bench:${version}`)] };
  return { metadata: { labels: { app, version } }, spec };
}

/** What to say of the outcome: nothing, or that it took too long. */
async function until(reached: () => Promise<boolean>): Promise<string> {
  const deadline = performance.now() + STEP_MS;
  while (!(await reached())) {
    if (performance.now() > deadline) return ", NEVER REACHED";
    await pause(POLL_MS);
  }
  return "";
}

function mb(value: number): string {
  return value.toFixed(0);
}

function spread(values: readonly number[]): string {
  const sorted = [...values].sort((one, other) => one - other);
  const at = (share: number): string => {
    const index = Math.min(sorted.length - 1, Math.floor(sorted.length * share));
    return (sorted[index] ?? Number.NaN).toFixed(1);
  };
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, worst ${at(1)} ms (${sorted.length})`;
}

if (given.help) console.info(USAGE);
else await main(Number(given.nodes), Number(given.pods), Number(given.each));
