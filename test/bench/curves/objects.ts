/** Cost against the number of objects. */
import { configMap } from "../load/bodies.ts";
import type { Figures } from "./data.ts";
import {
  alone,
  byProcess,
  type Context,
  type Curve,
  clientOf,
  makeNamespace,
  measured,
  memory,
  onCluster,
  restartMs,
  total,
} from "./measure.ts";

const SIZES = [1_000, 5_000, 20_000, 50_000, 100_000, 200_000];
const QUICK = [500, 1_500];
const NAMESPACE = `curve-objects-${process.pid}`;
const PATH = `/api/v1/namespaces/${NAMESPACE}/configmaps`;
const PAGE = 500;
const EACH_MS = 1_500;
const STEP_MS = 200_000;

export const objects: Curve = {
  name: "objects",
  title: "ConfigMaps of 1 KB in the cluster",
  x: { label: "objects", log: true },
  anywhere: true,
  panels: [
    { key: "rate", title: "Rate, 32 at a time", y: { label: "requests/s" } },
    { key: "cpu", title: "CPU of all processes for one", y: { label: "µs", log: true } },
    { key: "time", title: "Time, one at a time (median)", y: { label: "ms", log: true } },
    { key: "memory", title: "Memory (PSS)", y: { label: "MB", log: true } },
  ],
  measure: (context) => onCluster(context, { nodes: 1 }, (cluster) => grow(context, cluster)),
};

async function grow(context: Context, cluster: Parameters<typeof memory>[0]): Promise<void> {
  const client = clientOf(cluster);
  await makeNamespace(client, NAMESPACE);
  let present = 0;
  for (const size of context.quick ? QUICK : SIZES) {
    if (context.late()) break;
    const start = present;
    const created = await measured(cluster, { count: size - start, mostMs: STEP_MS }, (index) =>
      client.ok("POST", PATH, configMap(`c-${start + index}`, { group: `g-${index % 50}` })),
    );
    present += created.done;
    if (present < size) break;
    const some = (index: number): string => `${PATH}/c-${(index * 7_919) % size}`;
    const forever = { count: Number.POSITIVE_INFINITY, mostMs: EACH_MS };
    const got = await measured(cluster, forever, (index) => client.ok("GET", some(index)));
    const page = `${PATH}?limit=${PAGE}`;
    const paged = await measured(cluster, forever, () => client.ok("GET", page));
    const get = await alone(EACH_MS / 2, (index) => client.ok("GET", some(index)));
    const one = await alone(EACH_MS / 2, () => client.ok("GET", page));
    const all = await alone(EACH_MS, () => client.ok("GET", PATH));
    const used: Figures = memory(cluster);
    const again = await restartMs(cluster);
    context.point(size, {
      "rate: create": created.perSecond,
      "rate: get": got.perSecond,
      "cpu: create": total(created.cpu),
      "cpu: get": total(got.cpu),
      [`cpu: list ${PAGE}`]: total(paged.cpu),
      "time: get": get.p50,
      [`time: list ${PAGE}`]: one.p50,
      "time: list all": all.p50,
      ...(Number.isNaN(again) ? {} : { "time: apiserver killed to ready": again }),
      ...used,
      ...byProcess("create", created.cpu),
      ...byProcess("get", got.cpu),
    });
  }
  client.close();
}
