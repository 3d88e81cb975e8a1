/** Pods: bound, Ready; a Deployment deployed, rolled, scaled to nothing. */
import { type Client, MERGE_PATCH } from "./client.ts";
import { type Limits, load, makeNamespace } from "./objects.ts";
import { cpuBetween, type Process, sum, usageOf } from "./processes.ts";
import { quantile, type Report } from "./report.ts";

const NAMESPACE = "bench-pods";
const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;
const DEPLOYMENT = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments`;
const WAIT_MS = 90_000;

interface Pod {
  readonly metadata: { readonly name: string; readonly labels?: Record<string, string> };
  readonly spec: { readonly nodeName?: string };
  readonly status?: { readonly conditions?: readonly { type: string; status: string }[] };
}

/** When each pod was first seen bound and Ready, from one watch. */
class Observer {
  readonly bound = new Map<string, number>();
  readonly ready = new Map<string, number>();
  readonly present = new Map<string, Pod>();
  writes = 0;

  see(line: Buffer): void {
    const { type, object } = JSON.parse(line.toString()) as { type: string; object: Pod };
    if (type === "BOOKMARK") return;
    if (type === "ERROR") throw new Error(`watch: ${line}`);
    const { name } = object.metadata;
    this.writes++;
    if (type === "DELETED") {
      this.present.delete(name);
      return;
    }
    this.present.set(name, object);
    if (object.spec.nodeName && !this.bound.has(name)) this.bound.set(name, performance.now());
    if (isReady(object) && !this.ready.has(name)) this.ready.set(name, performance.now());
  }

  async until(reached: () => boolean): Promise<boolean> {
    const deadline = performance.now() + WAIT_MS;
    while (!reached()) {
      if (performance.now() > deadline) return false;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return true;
  }
}

function isReady({ status }: Pod): boolean {
  return (
    status?.conditions?.some((each) => each.type === "Ready" && each.status === "True") ?? false
  );
}

async function observe(client: Client): Promise<{ observer: Observer; stop: () => void }> {
  await makeNamespace(client, NAMESPACE);
  // Where service accounts are admitted, pods need the namespace's own.
  const account = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/default`;
  for (let tries = 0; (await client.send("GET", account)).code !== 200 && tries < 500; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const { metadata } = await client.json<{ metadata: { resourceVersion: string } }>(PODS);
  const observer = new Observer();
  const query = `?watch=true&resourceVersion=${metadata.resourceVersion}`;
  const stop = await client.watch(PODS + query, (line) => observer.see(line));
  return { observer, stop };
}

/** A revision grows by one with each write; events have a log of their own in Coxswain. */
async function logEnds(client: Client): Promise<{ objects: number; events: number }> {
  const end = async (path: string): Promise<number> => {
    const { metadata } = await client.json<{ metadata: { resourceVersion: string } }>(path);
    return Number(metadata.resourceVersion);
  };
  return {
    objects: await end(`${PODS}?limit=1`),
    events: await end(`/api/v1/namespaces/${NAMESPACE}/events?limit=1`),
  };
}

function container(image: string): object {
  const requests = { cpu: "10m", memory: "16Mi" };
  return { name: "main", image, resources: { requests } };
}

/** Pods of their own, created at concurrency 32, on as many nodes as there are. */
export async function measurePods(
  client: Client,
  { count, limits, report }: { count: number; limits: Limits; report: Report },
): Promise<void> {
  const { items } = await client.json<{ items: unknown[] }>("/api/v1/nodes");
  const nodes = items.length;
  const { observer, stop } = await observe(client);
  const created = new Map<string, number>();
  const began = performance.now();
  const made = await load(count, limits.mostMs, async (index) => {
    const name = `single-${index}`;
    const metadata = { name, labels: { app: "single" } };
    const spec = { containers: [container("bench:1")] };
    await client.ok("POST", PODS, { apiVersion: "v1", kind: "Pod", metadata, spec });
    created.set(name, performance.now());
  });
  const all = await observer.until(() => observer.ready.size >= made.done);
  const lastOf = (seen: ReadonlyMap<string, number>): number => Math.max(...seen.values()) - began;
  const missing = all ? "" : `${made.done - observer.ready.size} of ${made.done} NEVER READY`;
  const bindReference = { 100: [390, 5], 500: [330, 5] }[nodes];
  report.add({
    what: `pods bound at ${nodes} nodes`,
    value: (observer.bound.size * 1000) / lastOf(observer.bound),
    unit: "pods/s",
    ...(bindReference && { reference: bindReference[0], budget: bindReference[1] }),
    note: `${made.done} created at ${made.perSecond.toFixed(0)}/s ${missing}`,
  });
  report.add({
    what: `pods Ready at ${nodes} nodes`,
    value: (observer.ready.size * 1000) / lastOf(observer.ready),
    unit: "pods/s",
    ...(bindReference && { reference: 270, budget: 4 }),
  });
  const waits = [...observer.ready].map(([name, at]) => at - (created.get(name) ?? at));
  for (const share of [0.5, 0.99]) {
    const what = `created to Ready at ${nodes} nodes, p${share * 100}`;
    report.add({ what, value: quantile(waits, share), unit: "ms" });
  }
  await client.ok("DELETE", PODS, { gracePeriodSeconds: 0 });
  if (!(await observer.until(() => observer.present.size === 0))) {
    console.info(`  ${observer.present.size} pods were NEVER REMOVED`);
  }
  stop();
}

/** A Deployment to Ready, to another template, to nothing; and the CPU seconds for all of it. */
export async function measureDeployment(
  client: Client,
  options: { replicas: number; processes: readonly Process[]; report: Report },
): Promise<void> {
  const { replicas, processes, report } = options;
  const { observer, stop } = await observe(client);
  const before = usageOf(processes);
  const share = replicas / 1000;
  const step = async (
    what: string,
    reference: number,
    change: () => Promise<unknown>,
    reached: () => boolean,
  ): Promise<void> => {
    const [first, writes] = [await logEnds(client), observer.writes];
    const began = performance.now();
    await change();
    const done = await observer.until(reached);
    const value = done ? (performance.now() - began) / 1000 : Number.NaN;
    const last = await logEnds(client);
    const perPod = (count: number): string => (count / replicas).toFixed(2);
    const [all, events] = [last.objects - first.objects, last.events - first.events];
    const note =
      `a pod: ${perPod(observer.writes - writes)} versions, ${perPod(all)} writes of objects, ` +
      `${perPod(events)} of events${done ? "" : "; NEVER REACHED"}`;
    const title = `Deployment of ${replicas}, ${what}`;
    report.add({ what: title, value, unit: "s", reference: reference * share, budget: 2, note });
  };
  const readyOf = (version: string) => (): boolean => {
    let ready = 0;
    for (const pod of observer.present.values()) {
      if (pod.metadata.labels?.["version"] !== version) return false;
      if (isReady(pod)) ready++;
    }
    return ready === replicas;
  };
  const url = `${DEPLOYMENT}/bench`;
  const template = (version: string): object => ({
    metadata: { labels: { app: "deployed", version } },
    spec: { containers: [container(`bench:${version}`)] },
  });
  const spec = { replicas, selector: { matchLabels: { app: "deployed" } } };
  const metadata = { name: "bench" };
  const whole = { apiVersion: "apps/v1", kind: "Deployment", metadata };
  const patch = (change: object) => client.ok("PATCH", url, { spec: change }, MERGE_PATCH);
  await step(
    "to Ready",
    4.2,
    () => client.ok("POST", DEPLOYMENT, { ...whole, spec: { ...spec, template: template("1") } }),
    readyOf("1"),
  );
  await step("rolled", 7.4, () => patch({ template: template("2") }), readyOf("2"));
  const gone = (): boolean => observer.present.size === 0;
  await step("scaled to 0", 2.8, () => patch({ replicas: 0 }), gone);
  const cpu = cpuBetween(before, usageOf(processes));
  if (cpu.size > 0) {
    const value = sum(cpu.values());
    const what = `CPU seconds for the Deployment of ${replicas}, all processes`;
    const note = [...cpu].map(([name, seconds]) => `${name} ${seconds.toFixed(1)}`).join(", ");
    report.add({ what, value, unit: "s", reference: 28 * share, budget: 3, note });
  }
  stop();
  await client.ok("DELETE", `/api/v1/namespaces/${NAMESPACE}`);
}
