/** What every curve measures: rates, CPU for one operation, memory, times. */
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "../load/client.ts";
import { CONNECTIONS, load } from "../load/lanes.ts";
import { cpuBetween, sum, type Usage, usageOf } from "../load/processes.ts";
import { quantile } from "../load/report.ts";
import type { Cluster, ClusterOptions } from "./cluster.ts";
import type { CurveDescription, Figures } from "./data.ts";

export interface Curve extends CurveDescription {
  /** Whether it can be measured on a cluster that is not ours. */
  readonly anywhere: boolean;
  measure(context: Context): Promise<void>;
}

export interface Context {
  readonly quick: boolean;
  cluster(options: ClusterOptions): Promise<Cluster>;
  /** Keeps a point, and shows it. */
  point(x: number, figures: Figures): void;
  /** True when the curve has had its time: what is missing is left out. */
  late(): boolean;
}

const IDLE_MS = 5_000;
const MICROS = 1e6;

export interface Measured {
  readonly done: number;
  readonly perSecond: number;
  /** Milliseconds of one operation. */
  readonly p50: number;
  readonly p99: number;
  /** Microseconds of CPU for one operation, by process. */
  readonly cpu: ReadonlyMap<string, number>;
}

/** Runs work(0), work(1), ... in 32 lanes until there are `count` or the time is over. */
export async function measured(
  cluster: Cluster,
  limits: { count: number; mostMs: number },
  work: (index: number) => Promise<unknown>,
): Promise<Measured> {
  const before = usageOf(cluster.processes());
  const { done, perSecond, times } = await load(limits.count, limits.mostMs, work);
  const cpu = perOperation(before, usageOf(cluster.processes()), done);
  return { done, perSecond, p50: quantile(times, 0.5), p99: quantile(times, 0.99), cpu };
}

export function perOperation(before: readonly Usage[], after: readonly Usage[], count: number) {
  const each = [...cpuBetween(before, after)].map(
    ([name, seconds]) => [name, (seconds * MICROS) / count] as const,
  );
  return new Map(each.filter(([, micros]) => micros > 0));
}

/** Figures of a panel `key`, one for each process. */
export function byProcess(key: string, values: ReadonlyMap<string, number>): Figures {
  return Object.fromEntries([...values].map(([name, value]) => [`${key}: ${name}`, value]));
}

export function total(values: ReadonlyMap<string, number>): number {
  return sum(values.values());
}

/** MB, shared pages divided among those who share them. */
export function memory(cluster: Cluster): Figures {
  const usage = usageOf(cluster.processes()).map(({ name, pss }) => [name, pss] as const);
  return byProcess("memory", new Map(usage));
}

/** Percent of a core, with nothing to do. */
export async function idleCpu(cluster: Cluster): Promise<Figures> {
  const before = usageOf(cluster.processes());
  await sleep(IDLE_MS);
  const seconds = cpuBetween(before, usageOf(cluster.processes()));
  const percent = [...seconds].map(([name, used]) => [name, (used * 1e5) / IDLE_MS] as const);
  return byProcess("idle", new Map(percent));
}

/** The median of the milliseconds that one request takes, one after the other. */
export async function alone(mostMs: number, request: (index: number) => Promise<unknown>) {
  const times: number[] = [];
  const began = performance.now();
  while (times.length < 3 || performance.now() - began < mostMs) {
    const start = performance.now();
    await request(times.length);
    times.push(performance.now() - start);
  }
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
}

/** Milliseconds from the end (SIGKILL) of the apiserver to its first answer. */
export async function restartMs(cluster: Cluster): Promise<number> {
  const server = cluster.processes().find(({ name }) => name === "apiserver");
  if (server === undefined) return Number.NaN;
  const began = performance.now();
  process.kill(server.pid, "SIGKILL");
  for (;;) {
    const client = new Client(cluster.target, 1);
    const answered = await client.send("GET", "/readyz").then(
      ({ code }) => code === 200,
      () => false,
    );
    client.close();
    if (answered) return performance.now() - began;
    await sleep(5);
  }
}

/** Resolves when pods can be created in it: they need the namespace's service account. */
export async function makeNamespace(client: Client, name: string): Promise<void> {
  const body = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
  await client.ok("POST", "/api/v1/namespaces", body);
  const account = `/api/v1/namespaces/${name}/serviceaccounts/default`;
  while ((await client.send("GET", account)).code !== 200) await sleep(10);
}

export function clientOf({ target }: Cluster, connections = CONNECTIONS): Client {
  return new Client(target, connections);
}

/** Runs `work` on a cluster and ends that, whatever happens. */
export async function onCluster(
  context: Context,
  options: ClusterOptions,
  work: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  const cluster = await context.cluster(options);
  try {
    await work(cluster);
  } finally {
    cluster.stop();
  }
}
