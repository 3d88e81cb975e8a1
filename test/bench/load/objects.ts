/** Create, get, patch, list and delete of ConfigMaps of 1 KB. */
import { type Answer, type Client, MERGE_PATCH } from "./client.ts";
import { cpuBetween, type Process, usageOf } from "./processes.ts";
import { quantile, type Report } from "./report.ts";

export interface Limits {
  readonly objects: number;
  /** Of one measurement, milliseconds. */
  readonly durationMs: number;
  /** No measurement takes longer, even when unfinished. */
  readonly mostMs: number;
}

export const CONNECTIONS = 32;
const NAMESPACE = "bench-objects";
const PATH = `/api/v1/namespaces/${NAMESPACE}/configmaps`;
const GROUPS = 50;
const PADDING = "0123456789abcdef".repeat(46);

interface Load {
  readonly done: number;
  readonly perSecond: number;
  readonly times: readonly number[];
}

/** Runs work(0), work(1), ... by 32 lanes, each waiting for its answer, until a limit. */
export async function load(
  count: number,
  mostMs: number,
  work: (index: number) => Promise<unknown>,
): Promise<Load> {
  let next = 0;
  const times: number[] = [];
  const started = performance.now();
  const lane = async (): Promise<void> => {
    while (next < count && performance.now() - started < mostMs) {
      const index = next++;
      const begun = performance.now();
      await work(index);
      times.push(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, lane));
  const perSecond = (times.length * 1000) / (performance.now() - started);
  return { done: times.length, perSecond, times };
}

export function configMap(name: string, labels: Record<string, string>): object {
  const metadata = { name, labels: { app: "bench", ...labels } };
  return { apiVersion: "v1", kind: "ConfigMap", metadata, data: { value: PADDING } };
}

export async function makeNamespace(client: Client, name: string): Promise<void> {
  const body = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
  const { code } = await client.send("POST", "/api/v1/namespaces", JSON.stringify(body));
  if (code !== 201 && code !== 409) throw new Error(`namespace ${name}: ${code}`);
}

export async function measureObjects(
  client: Client,
  { limits, processes, report }: { limits: Limits; processes: readonly Process[]; report: Report },
): Promise<void> {
  await makeNamespace(client, NAMESPACE);
  const name = (index: number): string => `c-${index}`;
  const ours = `at concurrency ${CONNECTIONS}`;
  let before = usageOf(processes);
  const rate = (what: string, { perSecond, times, done }: Load, reference: number): void => {
    const after = usageOf(processes);
    const cpu = [...cpuBetween(before, after)]
      .filter(([, seconds]) => seconds > 0)
      .map(([name, seconds]) => `${name} ${((seconds * 1e6) / done).toFixed(0)}`);
    const p99 = quantile(times, 0.99).toFixed(1);
    const micros = cpu.length === 0 ? "" : `; CPU µs each: ${cpu.join(", ")}`;
    const note = `p50 ${quantile(times, 0.5).toFixed(1)} ms, p99 ${p99} ms${micros}`;
    report.add({ what, value: perSecond, unit: "/s", reference, budget: 3, note });
    before = usageOf(processes);
  };
  const created = await load(limits.objects, limits.mostMs, (index) => {
    const labels = { group: `g-${index % GROUPS}` };
    return client.ok("POST", PATH, configMap(name(index), labels));
  });
  rate(`create ConfigMap of 1 KB, ${ours}`, created, 2_200);
  const some = (index: number): string => `${PATH}/${name((index * 7919) % created.done)}`;
  const forever = Number.POSITIVE_INFINITY;
  rate(
    "get",
    await load(forever, limits.durationMs, (index) => client.ok("GET", some(index))),
    6_300,
  );
  rate(
    "merge patch",
    await load(forever, limits.durationMs, (index) => {
      const patch = { metadata: { annotations: { turn: String(index) } } };
      return client.ok("PATCH", some(index), patch, MERGE_PATCH);
    }),
    2_000,
  );
  await measureLists(client, limits, report);
  before = usageOf(processes);
  const deleted = await load(created.done, limits.mostMs, (index) =>
    client.ok("DELETE", `${PATH}/${name(index)}`),
  );
  rate("delete", deleted, 2_000);
  await client.ok("DELETE", `/api/v1/namespaces/${NAMESPACE}`);
}

async function measureLists(client: Client, limits: Limits, report: Report): Promise<void> {
  const lists: [what: string, query: string, reference?: number][] = [
    ["consistent", "", 81],
    ["resourceVersion=0", "?resourceVersion=0", 37],
    [`by label (1 of ${GROUPS} groups)`, "?labelSelector=group%3Dg-7"],
  ];
  for (const [what, query, reference] of lists) {
    const times: number[] = [];
    const started = performance.now();
    let answer: Answer | undefined;
    while (times.length < 20 && performance.now() - started < limits.durationMs) {
      const begun = performance.now();
      answer = await client.ok("GET", PATH + query);
      times.push(performance.now() - begun);
    }
    const size = ((answer?.body.length ?? 0) / 1e6).toFixed(1);
    report.add({
      what: `list of ${limits.objects}, ${what}`,
      value: quantile(times, 0.5),
      unit: "ms",
      // The reference lists 5,000.
      ...(reference !== undefined && { reference: (reference * limits.objects) / 5_000 }),
      ...(reference !== undefined && { budget: 10 }),
      note: `${size} MB`,
    });
  }
}
