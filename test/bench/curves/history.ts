/** Cost against the length of the log: the same few objects changed again and again. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { configMap } from "../load/bodies.ts";
import { MERGE_PATCH } from "../load/client.ts";
import { load } from "../load/lanes.ts";
import type { Cluster } from "./cluster.ts";
import {
  byProcess,
  type Context,
  type Curve,
  clientOf,
  makeNamespace,
  measured,
  memory,
  onCluster,
  restartMs,
} from "./measure.ts";

const SIZES = [1_000, 5_000, 20_000, 50_000, 100_000, 200_000];
const QUICK = [2_000, 3_000];
const OBJECTS = 1_000;
const NAMESPACE = `curve-history-${process.pid}`;
const PATH = `/api/v1/namespaces/${NAMESPACE}/configmaps`;
const STEP_MS = 150_000;

export const history: Curve = {
  name: "history",
  title: `Changes of the same ${OBJECTS.toLocaleString("en-US")} ConfigMaps of 1 KB`,
  x: { label: "revisions in the log", log: true },
  anywhere: true,
  panels: [
    { key: "rate", title: "Merge patches, 32 at a time", y: { label: "requests/s" } },
    { key: "cpu", title: "CPU for one merge patch", y: { label: "µs" } },
    { key: "memory", title: "Memory (PSS); the log on disk", y: { label: "MB", log: true } },
    { key: "time", title: "Start-up of an apiserver", y: { label: "ms" } },
  ],
  measure: (context) => onCluster(context, { nodes: 1 }, (cluster) => change(context, cluster)),
};

async function change(context: Context, cluster: Cluster): Promise<void> {
  const client = clientOf(cluster);
  await makeNamespace(client, NAMESPACE);
  await load(OBJECTS, STEP_MS, (index) => client.ok("POST", PATH, configMap(`c-${index}`, {})));
  let written = OBJECTS;
  for (const size of context.quick ? QUICK : SIZES) {
    if (context.late()) break;
    const start = written;
    // The first point is taken after as many changes, too: a rate needs something to count.
    const count = Math.max(size - start, OBJECTS);
    const patched = await measured(cluster, { count, mostMs: STEP_MS }, (index) => {
      const patch = { metadata: { annotations: { turn: String(start + index) } } };
      return client.ok("PATCH", `${PATH}/c-${index % OBJECTS}`, patch, MERGE_PATCH);
    });
    written += patched.done;
    const used = memory(cluster);
    const again = await restartMs(cluster);
    context.point(written, {
      "rate: merge patch": patched.perSecond,
      ...byProcess("cpu", patched.cpu),
      ...used,
      ...(cluster.data && { "memory: disk": megabytesBelow(join(cluster.data, "nats")) }),
      ...(Number.isNaN(again) ? {} : { "time: killed to ready": again }),
    });
    if (patched.done < count) break;
  }
  client.close();
}

function megabytesBelow(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes / 2 ** 20;
}
