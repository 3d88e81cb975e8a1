/** Cost against the number of watchers of the same objects. */
import { setTimeout as sleep } from "node:timers/promises";
import { configMap } from "../load/bodies.ts";
import type { Client } from "../load/client.ts";
import { load } from "../load/lanes.ts";
import { usageOf } from "../load/processes.ts";
import { quantile } from "../load/report.ts";
import type { Cluster } from "./cluster.ts";
import {
  byProcess,
  type Context,
  type Curve,
  clientOf,
  makeNamespace,
  memory,
  onCluster,
  perOperation,
} from "./measure.ts";

const SIZES = [1, 10, 100, 500, 1_000, 2_000, 5_000];
const QUICK = [1, 10, 100];
const NAMESPACE = `curve-watchers-${process.pid}`;
const PATH = `/api/v1/namespaces/${NAMESPACE}/configmaps`;
/** Opened at once. */
const OPENING = 50;
const BURST = { deliveries: 50_000, least: 20, most: 1_000 };
/** The generator takes part in the cost: no more deliveries a second than it can see in time. */
const PACED = { deliveriesPerSecond: 10_000, least: 2, most: 50, seconds: 3 };
const WAIT_MS = 30_000;
const SENT = Buffer.from('"sent":"');
const QUOTE = 34;

export const watchers: Curve = {
  name: "watchers",
  title: "Watchers of one namespace, each on a connection of its own",
  x: { label: "watchers", log: true },
  anywhere: true,
  panels: [
    { key: "rate", title: "Delivered in a burst of changes", y: { label: "events/s", log: true } },
    {
      key: "cpu",
      title: "CPU for one event delivered, burst (with its share of the write)",
      y: { label: "µs", log: true },
    },
    { key: "time", title: "Request to delivery, paced", y: { label: "ms", log: true } },
    { key: "memory", title: "Memory (PSS)", y: { label: "MB" } },
  ],
  measure: (context) => onCluster(context, { nodes: 1 }, (cluster) => watch(context, cluster)),
};

/** Counts what arrives, and how long after it was asked for. */
class Arrivals {
  count = 0;
  last = 0;
  latencies: number[] = [];

  readonly see = (text: Buffer): void => {
    const at = text.indexOf(SENT);
    if (at < 0) return;
    this.count++;
    this.last = performance.now();
    const start = at + SENT.length;
    const sent = Number(text.toString("latin1", start, text.indexOf(QUOTE, start)));
    this.latencies.push(this.last - sent);
  };

  reset(): void {
    this.count = 0;
    this.latencies = [];
  }

  /** Resolves when so many have come, or nothing more does. */
  async until(count: number): Promise<void> {
    const deadline = performance.now() + WAIT_MS;
    while (this.count < count && performance.now() < deadline) await sleep(5);
  }
}

async function watch(context: Context, cluster: Cluster): Promise<void> {
  const client = clientOf(cluster);
  await makeNamespace(client, NAMESPACE);
  const arrivals = new Arrivals();
  const stops: (() => void)[] = [];
  for (const size of context.quick ? QUICK : SIZES) {
    if (context.late()) break;
    await open(client, size - stops.length, arrivals, stops);
    const before = usageOf(cluster.processes());
    const burst = await changeAtOnce(client, size, arrivals);
    const cpu = perOperation(before, usageOf(cluster.processes()), burst.delivered);
    const { latencies, lost } = await changePaced(client, size, arrivals);
    if (burst.lost + lost > 0) console.info(`    ${burst.lost + lost} events NOT DELIVERED`);
    context.point(size, {
      "rate: events": burst.perSecond,
      ...byProcess("cpu", cpu),
      "time: p50": quantile(latencies, 0.5),
      "time: p99": quantile(latencies, 0.99),
      ...memory(cluster),
    });
  }
  for (const stop of stops) stop();
  client.close();
}

async function open(client: Client, count: number, arrivals: Arrivals, stops: (() => void)[]) {
  const { metadata } = await client.json<{ metadata: { resourceVersion: string } }>(PATH);
  const path = `${PATH}?watch=true&resourceVersion=${metadata.resourceVersion}`;
  for (let left = count; left > 0; left -= OPENING) {
    const some = Array.from({ length: Math.min(left, OPENING) }, () =>
      client.watch(path, arrivals.see),
    );
    stops.push(...(await Promise.all(some)));
  }
}

let made = 0;
function create(client: Client): Promise<unknown> {
  const sent = performance.now().toFixed(2);
  return client.ok("POST", PATH, configMap(`c-${made++}`, { sent }));
}

function within(value: number, { least, most }: { least: number; most: number }): number {
  return Math.round(Math.min(Math.max(value, least), most));
}

async function changeAtOnce(client: Client, size: number, arrivals: Arrivals) {
  arrivals.reset();
  const changes = within(BURST.deliveries / size, BURST);
  const began = performance.now();
  const { done } = await load(changes, WAIT_MS, () => create(client));
  await arrivals.until(done * size);
  const delivered = arrivals.count;
  const perSecond = (delivered * 1_000) / (arrivals.last - began);
  return { delivered, lost: done * size - delivered, perSecond };
}

async function changePaced(client: Client, size: number, arrivals: Arrivals) {
  arrivals.reset();
  const perSecond = within(PACED.deliveriesPerSecond / size, PACED);
  const changes = perSecond * PACED.seconds;
  const answers: Promise<unknown>[] = [];
  for (let index = 0; index < changes; index++) {
    answers.push(create(client));
    await sleep(1_000 / perSecond);
  }
  await Promise.all(answers);
  await arrivals.until(changes * size);
  return { latencies: arrivals.latencies, lost: changes * size - arrivals.count };
}
