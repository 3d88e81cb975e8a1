/** One of the API servers under comparison, while workloads run on it. */
import type { Client } from "./client.ts";
import { pause } from "./lanes.ts";
import { controlPlane, cpuBetween, sum, type Usage, usageOf } from "./processes.ts";
import type { Figure } from "./report.ts";
import type { Cluster } from "./target.ts";

export interface Side {
  readonly name: string;
  readonly cluster: Cluster;
  readonly client: Client;
  /** Of the nodes in this part of the run. */
  readonly nodes: number;
  readonly limits: Limits;
  /** Notes a figure of the workload under way. */
  add(figure: Figure): void;
  /** Namespaces made here, removed at the end. */
  readonly namespaces: string[];
}

export interface Limits {
  readonly quick: boolean;
  /** Of a measurement without an end of its own, milliseconds. */
  readonly durationMs: number;
  /** No measurement takes longer, even when unfinished. */
  readonly mostMs: number;
}

export interface Workload {
  readonly group: string;
  readonly name: string;
  /** How many nodes the cluster has meanwhile. */
  readonly nodes: number;
  /** Only when asked for: it takes minutes. */
  readonly long?: boolean;
  /** Only on a cluster that this program has started. */
  readonly ownOnly?: boolean;
  /** What has to be there, made before anything is counted. */
  prepare?(side: Side): Promise<unknown>;
  run(side: Side): Promise<void>;
}

let made = 0;
const WAIT_MS = 30_000;

/**
 * A new namespace, never one that an earlier run may still be removing. Resolves when pods can be
 * created in it: where service accounts are admitted, they need the namespace's own.
 */
export async function newNamespace({ client, namespaces }: Side, purpose: string): Promise<string> {
  const name = `bench-${purpose}-${++made}-${process.pid}`;
  const body = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
  await client.ok("POST", "/api/v1/namespaces", body);
  namespaces.push(name);
  const account = `/api/v1/namespaces/${name}/serviceaccounts/default`;
  const deadline = performance.now() + WAIT_MS;
  while ((await client.send("GET", account)).code !== 200) {
    if (performance.now() > deadline) throw new Error(`${name} has no service account`);
    await pause(10);
  }
  return name;
}

/** What the control plane used since this was called, per request: a figure steadier than rates. */
export function meter(side: Side): (what: string, done: number) => void {
  const before: Usage[] = usageOf(side.cluster.processes);
  return (what, done) => {
    const used = cpuBetween(before, usageOf(side.cluster.processes));
    if (used.size === 0 || done === 0) return;
    const micros = (seconds: number): number => (seconds * 1e6) / done;
    side.add({
      what: `${what}, CPU of the control plane for each`,
      value: micros(sum(controlPlane(used).values())),
      unit: "µs",
      note: [...used].map(([name, seconds]) => `${name} ${micros(seconds).toFixed(0)}`).join(", "),
    });
  };
}
