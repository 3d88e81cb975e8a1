/** Pods created one by one: bound and Ready. */
import { each, load } from "./lanes.ts";
import { container, PodObserver } from "./pod-observer.ts";
import { quantile } from "./report.ts";
import { meter, newNamespace, type Side, type Workload } from "./side.ts";

interface Size {
  readonly nodes: number;
  readonly pods: number;
  /** kube-scheduler's pods bound per second, and how many times better DESIGN wants to be. */
  readonly bound?: readonly [reference: number, budget: number];
}

const SIZES: readonly Size[] = [
  { nodes: 100, pods: 2_000, bound: [390, 5] },
  { nodes: 500, pods: 5_000, bound: [330, 5] },
  { nodes: 1_000, pods: 10_000, bound: [190, 10] },
  { nodes: 5_000, pods: 20_000 },
];
const READY_REFERENCE = { reference: 270, budget: 4 };
/** Of the creation alone, milliseconds. */
const MOST_MS = 240_000;

export const PODS: readonly Workload[] = SIZES.map((size) => ({
  group: "pods",
  name: `pods-${size.nodes}`,
  nodes: size.nodes,
  long: size.nodes > 500,
  run: (side: Side) => measurePods(side, size),
}));

/** Created by 32 at once, on as many nodes as there are. */
async function measurePods(side: Side, size: Size): Promise<void> {
  const { client, limits } = side;
  const count = limits.quick ? size.pods / 10 : size.pods;
  const namespace = await newNamespace(side, "pods");
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const observer = await PodObserver.open(client, namespace);
  const created = new Map<string, number>();
  const used = meter(side);
  const began = performance.now();
  const made = await load(count, MOST_MS, async (index) => {
    const name = `single-${index}`;
    const metadata = { name, labels: { app: "single" } };
    const spec = { containers: [container("bench:1")] };
    await client.ok("POST", path, { apiVersion: "v1", kind: "Pod", metadata, spec });
    created.set(name, performance.now());
  });
  await observer.until(() => observer.ready.size >= made.done);
  const missing = made.done - observer.ready.size;
  const at = `${made.done} pods on ${side.nodes} nodes`;
  const creations = `created at ${made.perSecond.toFixed(0)}/s`;
  const note = missing === 0 ? creations : `${missing} NEVER READY, ${creations}`;
  const steps: [what: string, seen: ReadonlyMap<string, number>, compared: object][] = [
    [
      "bound",
      observer.bound,
      size.bound ? { reference: size.bound[0], budget: size.bound[1] } : {},
    ],
    ["Ready", observer.ready, size.nodes <= 500 ? READY_REFERENCE : {}],
  ];
  for (const [what, seen, compared] of steps) {
    const value = (seen.size * 1000) / (Math.max(...seen.values()) - began);
    side.add({ what: `${at}, ${what}`, value, unit: "pods/s", ...compared, note });
    // The watch may be faster than the answer.
    const waits = [...seen].map(([name, at]) => Math.max(0, at - (created.get(name) ?? at)));
    for (const share of [0.5, 0.99]) {
      const title = `${at}, created to ${what}, p${share * 100}`;
      side.add({ what: title, value: quantile(waits, share), unit: "ms" });
    }
  }
  used(`${at}, a pod`, made.done);
  await each(made.done, (index) =>
    client.send("DELETE", `${path}/single-${index}`, '{"gracePeriodSeconds":0}'),
  );
  const gone = await observer.until(() => observer.present.size === 0);
  observer.close();
  if (!gone) throw new Error(`${observer.present.size} pods were never removed`);
}
