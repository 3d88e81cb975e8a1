/** What a cluster costs that does nothing, how fast it starts, how fast it is back. */

import { configMap } from "./bodies.ts";
import { Client } from "./client.ts";
import { pause } from "./lanes.ts";
import { container, PodObserver } from "./pod-observer.ts";
import { controlPlane, cpuBetween, isNodes, sum, usageOf } from "./processes.ts";
import { newNamespace, type Side, type Workload } from "./side.ts";

const IDLE_MS = 5_000;
const RETRY_MS = 5;
const BACK_MS = 60_000;

export const UPKEEP: readonly Workload[] = [
  { group: "upkeep", name: "start-up", nodes: 1, run: measureStartUp },
  { group: "upkeep", name: "idle", nodes: 1, run: measureIdle },
];

export const RECOVERY: Workload = {
  group: "upkeep",
  name: "recovery",
  nodes: 1,
  ownOnly: true,
  run: measureRecovery,
};

async function measureStartUp(side: Side): Promise<void> {
  const { answered, ready } = side.cluster.startUp ?? {};
  const seconds = (what: string, ms: number | undefined, compared: object): void => {
    if (ms !== undefined) side.add({ what, value: ms / 1000, unit: "s", ...compared });
  };
  seconds("start to first answered request, new cluster", answered, { limit: 1.5 });
  seconds("start to a Ready node, new cluster", ready, { reference: 4 });
}

async function measureIdle(side: Side): Promise<void> {
  const { processes } = side.cluster;
  if (processes.length === 0) return;
  await pause(IDLE_MS);
  const before = usageOf(processes);
  await pause(IDLE_MS);
  const after = usageOf(processes);
  const own = after.filter(({ name }) => !isNodes(name));
  side.add({
    what: "memory idle, control plane (PSS)",
    value: sum(own.map(({ pss }) => pss)),
    unit: "MB",
    limit: 200,
    note: after.map(({ name, pss }) => `${name} ${pss.toFixed(0)}`).join(", "),
  });
  const used = controlPlane(cpuBetween(before, after));
  const value = (sum(used.values()) * 1e5) / IDLE_MS;
  side.add({ what: "CPU idle, control plane", value, unit: "% of a core" });
}

/** Each process killed in turn: until a write succeeds, and until a new pod is Ready. */
async function measureRecovery(side: Side): Promise<void> {
  const namespace = await newNamespace(side, "recovery");
  const victims = side.cluster.processes.filter(({ name }) => name !== "supervisor");
  for (const { name } of victims) {
    const pid = side.cluster.processes.find((each) => each.name === name)?.pid;
    if (pid === undefined) throw new Error(`${name} did not come back`);
    process.kill(pid, "SIGKILL");
    const killed = performance.now();
    const written = await firstWrite(side, namespace, `after-${name}`, killed);
    side.add({ what: `${name} killed, to the next write`, value: written, unit: "ms" });
    const worked = await firstReady(side, namespace, `after-${name}`, killed);
    side.add({
      what: `${name} killed, to a new pod Ready`,
      value: worked,
      unit: "ms",
      limit: 1000,
    });
    await pause(1_000);
  }
}

/** Each try on a connection of its own: one that has hung in the dead process says nothing. */
async function again<Result>(side: Side, work: (client: Client) => Promise<Result>) {
  const deadline = performance.now() + BACK_MS;
  for (;;) {
    const client = new Client(side.cluster.target, 1);
    try {
      return await work(client);
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await pause(RETRY_MS);
    } finally {
      client.close();
    }
  }
}

async function firstWrite(side: Side, namespace: string, name: string, since: number) {
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  let tries = 0;
  await again(side, (client) => client.ok("POST", path, configMap(`${name}-${tries++}`, {})));
  return performance.now() - since;
}

async function firstReady(side: Side, namespace: string, name: string, since: number) {
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const body = { apiVersion: "v1", kind: "Pod", metadata: { name } };
  const pod = { ...body, spec: { containers: [container("bench:1")] } };
  const ready = await again(side, async (client) => {
    const observer = await PodObserver.open(client, namespace);
    try {
      const { code } = await client.send("POST", path, JSON.stringify(pod));
      if (code !== 201 && code !== 409) throw new Error(`POST ${path}: ${code}`);
      await observer.until(() => observer.ready.has(name));
      return observer.ready.get(name) ?? Number.NaN;
    } finally {
      observer.close();
    }
  });
  await again(side, (client) => client.send("DELETE", `${path}/${name}`, undefined));
  return ready - since;
}
