/** Cost against the number of nodes, and against the number of pods. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../load/client.ts";
import { load } from "../load/lanes.ts";
import { container, type Pod, PodObserver } from "../load/pod-observer.ts";
import { usageOf } from "../load/processes.ts";
import { quantile } from "../load/report.ts";
import type { Cluster } from "./cluster.ts";
import {
  alone,
  byProcess,
  type Context,
  type Curve,
  clientOf,
  idleCpu,
  makeNamespace,
  memory,
  onCluster,
  perOperation,
} from "./measure.ts";

const NODES = [1, 10, 100, 500, 1_000, 2_000, 5_000];
const NODES_QUICK = [1, 20];
/** Of pods created one by one; a node takes 110. */
const BURST = { most: 500, perNode: 100 };
const PODS = [1_000, 5_000, 10_000, 20_000, 50_000];
const PODS_QUICK = [100, 300];
const NODES_FOR_PODS = 500;
const NODES_FOR_PODS_QUICK = 10;
const DEPLOYMENT = 1_000;
const NAMESPACE = `curve-pods-${process.pid}`;
const PODS_PATH = `/api/v1/namespaces/${NAMESPACE}/pods`;
const DEPLOYMENTS_PATH = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments`;
const STEP_MS = 120_000;
const SETTLE_MS = 3_000;
const ALONE_MS = 1_000;

const SPEC = { containers: [container("bench:1")] };

export const nodes: Curve = {
  name: "nodes",
  title: "Simulated nodes in the cluster",
  x: { label: "nodes", log: true },
  anywhere: false,
  panels: [
    { key: "rate", title: `Up to ${BURST.most} pods created one by one`, y: { label: "pods/s" } },
    { key: "time", title: "Time", y: { label: "ms", log: true } },
    { key: "idle", title: "CPU with nothing to do", y: { label: "% of a core", log: true } },
    { key: "memory", title: "Memory (PSS), idle", y: { label: "MB", log: true } },
    { key: "cpu", title: "CPU for a pod until Ready", y: { label: "µs", log: true } },
  ],
  measure: async (context) => {
    for (const count of context.quick ? NODES_QUICK : NODES) {
      if (context.late()) break;
      await onCluster(context, { nodes: count }, (cluster) => scheduleOn(context, cluster, count));
    }
  },
};

async function scheduleOn(context: Context, cluster: Cluster, count: number): Promise<void> {
  await sleep(SETTLE_MS);
  const [idle, used] = [await idleCpu(cluster), memory(cluster)];
  const burst = await podsToReady(cluster, Math.min(BURST.most, count * BURST.perNode));
  context.point(count, {
    "rate: bound": burst.boundPerSecond,
    "rate: Ready": burst.readyPerSecond,
    "time: start to all nodes Ready": cluster.startUpMs ?? Number.NaN,
    "time: created to Ready, p50": burst.p50,
    "time: created to Ready, p99": burst.p99,
    ...byProcess("cpu", burst.cpu),
    ...idle,
    ...used,
  });
}

/** Creates pods in 32 lanes and watches them until all are Ready. */
export async function podsToReady(cluster: Cluster, count: number) {
  const client = clientOf(cluster);
  await makeNamespace(client, NAMESPACE);
  const observer = await PodObserver.open(client, NAMESPACE);
  const { bound, ready } = observer;
  const before = usageOf(cluster.processes());
  const created = new Map<string, number>();
  const began = performance.now();
  await load(count, STEP_MS, async (index) => {
    const name = `p-${index}`;
    await client.ok("POST", PODS_PATH, { metadata: { name }, spec: SPEC });
    created.set(name, performance.now());
  });
  if (!(await observer.until(() => ready.size >= created.size))) {
    console.info(`    ${created.size - ready.size} of ${created.size} pods NEVER READY`);
  }
  const cpu = perOperation(before, usageOf(cluster.processes()), created.size);
  observer.close();
  client.close();
  const rate = (seen: ReadonlyMap<string, number>): number =>
    (seen.size * 1_000) / (Math.max(...seen.values()) - began);
  const waits = [...ready].map(([name, at]) => at - (created.get(name) ?? at));
  return {
    boundPerSecond: rate(bound),
    readyPerSecond: rate(ready),
    p50: quantile(waits, 0.5),
    p99: quantile(waits, 0.99),
    cpu,
  };
}

export const pods: Curve = {
  name: "pods",
  title: `Pods of Deployments of ${DEPLOYMENT}, on ${NODES_FOR_PODS} simulated nodes`,
  x: { label: "pods", log: true },
  anywhere: false,
  panels: [
    { key: "rate", title: "Deployments growing to so many", y: { label: "pods Ready/s" } },
    { key: "cpu", title: "CPU for a pod until Ready", y: { label: "µs" } },
    { key: "memory", title: "Memory (PSS)", y: { label: "MB", log: true } },
    { key: "time", title: "Time, one at a time", y: { label: "ms", log: true } },
    { key: "idle", title: "CPU with nothing to do", y: { label: "% of a core" } },
  ],
  measure: async (context) => {
    const count = context.quick ? NODES_FOR_PODS_QUICK : NODES_FOR_PODS;
    await onCluster(context, { nodes: count }, (cluster) => deploy(context, cluster));
  },
};

async function deploy(context: Context, cluster: Cluster): Promise<void> {
  const client = clientOf(cluster);
  await makeNamespace(client, NAMESPACE);
  let present = 0;
  for (const size of context.quick ? PODS_QUICK : PODS) {
    if (context.late()) break;
    const [before, began] = [usageOf(cluster.processes()), performance.now()];
    for (let from = present; from < size; from += DEPLOYMENT) {
      const replicas = Math.min(DEPLOYMENT, size - from);
      await client.ok("POST", DEPLOYMENTS_PATH, deployment(`d-${from}`, replicas));
    }
    const ready = await untilReady(client, size);
    const seconds = (performance.now() - began) / 1_000;
    if (ready < size) {
      console.info(`    ${size - ready} of ${size} pods NOT READY in time`);
      break;
    }
    const cpu = perOperation(before, usageOf(cluster.processes()), size - present);
    const rate = (size - present) / seconds;
    present = size;
    await sleep(SETTLE_MS);
    const idle = await idleCpu(cluster);
    const { items } = await client.json<{ items: Pod[] }>(`${PODS_PATH}?limit=500`);
    const name = (index: number) => items[index % items.length]?.metadata.name;
    const get = await alone(ALONE_MS, (index) => client.ok("GET", `${PODS_PATH}/${name(index)}`));
    const page = await alone(ALONE_MS, () => client.ok("GET", `${PODS_PATH}?limit=500`));
    const all = await alone(ALONE_MS, () => client.ok("GET", PODS_PATH));
    context.point(size, {
      "rate: Ready": rate,
      ...byProcess("cpu", cpu),
      ...memory(cluster),
      "time: get": get.p50,
      "time: get, p99": get.p99,
      "time: list 500": page.p50,
      "time: list all": all.p50,
      ...idle,
    });
  }
  client.close();
}

function deployment(name: string, replicas: number): object {
  const labels = { app: name };
  const template = { metadata: { labels }, spec: SPEC };
  const spec = { replicas, selector: { matchLabels: labels }, template };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name }, spec };
}

/** How many replicas are ready when all are, or when the time is over. */
async function untilReady(client: Client, wanted: number): Promise<number> {
  const deadline = performance.now() + STEP_MS;
  for (;;) {
    const { items } = await client.json<{ items: { status?: { readyReplicas?: number } }[] }>(
      DEPLOYMENTS_PATH,
    );
    const ready = items.reduce((count, { status }) => count + (status?.readyReplicas ?? 0), 0);
    if (ready >= wanted || performance.now() > deadline) return ready;
    await sleep(50);
  }
}
