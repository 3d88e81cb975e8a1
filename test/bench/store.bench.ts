import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openStore } from "../../nats/store.ts";
import { Projection } from "../../shared/store/projection.ts";
import type { Store } from "../../shared/store/store.ts";
import { HEADERS, TestServer, testRuntime } from "../store/harness.ts";
import { usageOf } from "./load/processes.ts";

/**
 * Figures of the store: commits at several concurrencies and plan sizes, barriers, what both cost
 * the server and this process, start-up of a projection, its memory. Prints only. One server, one
 * client, on the machine it runs on.
 */
const POD = {
  kind: "Pod",
  apiVersion: "v1",
  metadata: {
    name: "name",
    namespace: "default",
    uid: "5f2c1c8e-5d0f-4a35-9d0b-0c8a2a3b4c5d",
    labels: { app: "web", "pod-template-hash": "7f3a2b" },
    ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "web", uid: "u1" }],
  },
  spec: {
    nodeName: "node-1",
    containers: Array.from({ length: 2 }, (_, index) => ({
      name: `c-${index}`,
      image: "registry.example/web:1.2.3",
      env: Array.from({ length: 6 }, (_, each) => ({ name: `VARIABLE_${each}`, value: "value" })),
      resources: { requests: { cpu: "100m", memory: "64Mi" } },
    })),
  },
  status: { phase: "Pending" },
};
const BYTES = Buffer.from(JSON.stringify(POD));

function print(what: string, figure: string): void {
  console.info(`${what.padEnd(56)} ${figure}`);
}

function quantile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** CPU microseconds since the last call: of the server, and of this process. */
function cpuSince(before: { server: number; own: number }): { server: number; own: number } {
  const pid = Number(readFileSync(join(server.directory, "nats-server.pid"), "utf8"));
  const [usage] = usageOf([{ name: "nats-server", pid }]);
  const { user, system } = process.cpuUsage();
  const now = { server: (usage?.cpuSeconds ?? 0) * 1e6, own: user + system };
  return { server: now.server - before.server, own: now.own - before.own };
}

const NEVER = { server: 0, own: 0 };

function each(cpu: { server: number; own: number }, count: number): string {
  return `CPU ${(cpu.server / count).toFixed(0)} + ${(cpu.own / count).toFixed(0)} us`;
}

let next = 0;

async function commits(store: Store, concurrency: number, size: number, total: number) {
  const times: number[] = [];
  let left = Math.ceil(total / size);
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const writes = Array.from({ length: size }, () => {
        next += 1;
        return { key: `pods/default/p-${next}`, value: BYTES, expect: 0 };
      });
      const start = performance.now();
      await store.commit(writes, HEADERS);
      times.push(performance.now() - start);
    }
  };
  const before = cpuSince(NEVER);
  const start = performance.now();
  await Promise.all(Array.from({ length: concurrency }, lane));
  const seconds = (performance.now() - start) / 1000;
  print(
    `create, ${concurrency} at a time, plans of ${size}`,
    `${((times.length * size) / seconds).toFixed(0)}/s, ` +
      `p50 ${quantile(times, 0.5).toFixed(2)} ms, p99 ${quantile(times, 0.99).toFixed(2)} ms, ` +
      each(cpuSince(before), times.length * size),
  );
}

async function barriers(store: Store, concurrency: number): Promise<void> {
  let left = 5_000;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await store.head();
    }
  };
  const before = cpuSince(NEVER);
  const start = performance.now();
  await Promise.all(Array.from({ length: concurrency }, lane));
  const seconds = (performance.now() - start) / 1000;
  const cpu = each(cpuSince(before), 5_000);
  print(`read barrier, ${concurrency} at a time`, `${(5_000 / seconds).toFixed(0)}/s, ${cpu}`);
}

async function projections(store: Store): Promise<void> {
  const { gc } = globalThis as { gc?: () => void };
  gc?.();
  const memory = (): number => {
    const { heapUsed, external } = process.memoryUsage();
    return (heapUsed + external) / 1e6;
  };
  const before = memory();
  const projection = new Projection({ runtime: testRuntime });
  let start = performance.now();
  await projection.follow(store);
  const { length } = projection.list("pods");
  print(`projection of ${length} pods of ${BYTES.length} bytes`, `${ms(start)} to ready`);
  gc?.();
  print("  memory, nothing decoded", `${(memory() - before).toFixed(0)} MB`);
  start = performance.now();
  projection.labelled("pods", "default", { app: "web" });
  print("  first use of an index (decodes the metadata)", ms(start));
  gc?.();
  print("  memory, with it", `${(memory() - before).toFixed(0)} MB`);
  start = performance.now();
  let bytes = 0;
  for (const entry of projection.list("pods")) bytes += entry.bytes.length;
  print(`  list as bytes (${(bytes / 1e6).toFixed(0)} MB)`, ms(start));
  projection.stop();
}

function ms(start: number): string {
  return `${(performance.now() - start).toFixed(1)} ms`;
}

const server = await TestServer.start(process.argv.includes("relaxed") ? "relaxed" : "strict");
const connection = await server.connect();
const { durability } = server;
const store = await openStore(connection, testRuntime, { name: "cluster", durability });
console.info(`durability: ${durability}; one server, one process; CPU: server + this process`);
await commits(store, 64, 1, 5_000);
for (const concurrency of [1, 4, 8, 16, 32, 64, 256]) {
  await commits(store, concurrency, 1, Math.min(10_000, concurrency * 1_000));
}
for (const size of [3, 10, 100]) await commits(store, 16, size, 20_000);
for (const concurrency of [1, 64]) await barriers(store, concurrency);
await projections(store);
await store.close();
await server.stop();
