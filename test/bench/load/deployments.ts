/** A Deployment deployed, rolled, scaled to nothing; and many small ones at once. */
import { MERGE_PATCH } from "./client.ts";
import { each } from "./lanes.ts";
import { container, isReady, PodObserver } from "./pod-observer.ts";
import { controlPlane, cpuBetween, sum, usageOf } from "./processes.ts";
import { newNamespace, type Side, type Workload } from "./side.ts";

/** Seconds of kube-controller-manager and its companions for 1,000 replicas. */
const READY_REFERENCE = 4.2;
const ROLLED_REFERENCE = 7.4;
const GONE_REFERENCE = 2.8;
const CPU_REFERENCE = 28;
const MANY_REFERENCE = 6.7;
const REPLICAS = { full: 1_000, quick: 200 };
const MANY = { full: 100, quick: 20, replicas: 10 };

export const DEPLOYMENTS: readonly Workload[] = [
  { group: "deployments", name: "deployment", nodes: 100, run: measureDeployment },
  { group: "deployments", name: "deployments-100", nodes: 100, run: measureMany },
];

function deployment(name: string, replicas: number): object {
  const spec = {
    replicas,
    selector: { matchLabels: { app: name } },
    template: template(name, "1"),
  };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name }, spec };
}

function template(app: string, version: string): object {
  const spec = { containers: [container(`bench:${version}`)] };
  return { metadata: { labels: { app, version } }, spec };
}

/** Notes the seconds until a change has had its effect, and what it took. */
async function step(
  side: Side,
  observer: PodObserver,
  options: { what: string; reference: number; pods: number },
  change: () => Promise<unknown>,
  reached: () => boolean,
): Promise<void> {
  const versions = observer.versions;
  const began = performance.now();
  await change();
  const done = await observer.until(reached);
  const value = done ? (performance.now() - began) / 1000 : Number.NaN;
  const perPod = ((observer.versions - versions) / options.pods).toFixed(2);
  const note = `${perPod} versions of pods for each${done ? "" : "; NEVER REACHED"}`;
  const { what, reference } = options;
  side.add({ what, value, unit: "s", reference, budget: 2, note });
}

async function measureDeployment(side: Side): Promise<void> {
  const { client } = side;
  const replicas = side.limits.quick ? REPLICAS.quick : REPLICAS.full;
  const share = replicas / REPLICAS.full;
  const namespace = await newNamespace(side, "deployment");
  const collection = `/apis/apps/v1/namespaces/${namespace}/deployments`;
  const observer = await PodObserver.open(client, namespace);
  const before = usageOf(side.cluster.processes);
  const readyOf = (version: string) => (): boolean => {
    let ready = 0;
    for (const pod of observer.present.values()) {
      if (pod.metadata.labels?.["version"] !== version) return false;
      if (isReady(pod)) ready++;
    }
    return ready === replicas;
  };
  const patch = (spec: object) => client.ok("PATCH", `${collection}/bench`, { spec }, MERGE_PATCH);
  const title = `Deployment of ${replicas}`;
  const timed = (what: string, reference: number) => {
    return { what: `${title}, ${what}`, reference: reference * share, pods: replicas };
  };
  const create = () => client.ok("POST", collection, deployment("bench", replicas));
  await step(side, observer, timed("to Ready", READY_REFERENCE), create, readyOf("1"));
  const roll = () => patch({ template: template("bench", "2") });
  await step(side, observer, timed("rolled", ROLLED_REFERENCE), roll, readyOf("2"));
  const gone = () => observer.present.size === 0;
  const scale = () => patch({ replicas: 0 });
  await step(side, observer, timed("scaled to 0", GONE_REFERENCE), scale, gone);
  const used = cpuBetween(before, usageOf(side.cluster.processes));
  if (used.size > 0) {
    side.add({
      what: `${title}, CPU seconds of the control plane for all three`,
      value: sum(controlPlane(used).values()),
      unit: "s",
      reference: CPU_REFERENCE * share,
      budget: 3,
      note: [...used].map(([name, seconds]) => `${name} ${seconds.toFixed(1)}`).join(", "),
    });
  }
  observer.close();
  await client.ok("DELETE", `${collection}/bench`);
}

async function measureMany(side: Side): Promise<void> {
  const { client } = side;
  const count = side.limits.quick ? MANY.quick : MANY.full;
  const pods = count * MANY.replicas;
  const namespace = await newNamespace(side, "deployments");
  const collection = `/apis/apps/v1/namespaces/${namespace}/deployments`;
  const observer = await PodObserver.open(client, namespace);
  const all = () => observer.ready.size === pods;
  const what = `${count} Deployments of ${MANY.replicas} at once, to Ready`;
  const reference = (MANY_REFERENCE * count) / MANY.full;
  const create = () =>
    each(count, (index) =>
      client.ok("POST", collection, deployment(`bench-${index}`, MANY.replicas)),
    );
  await step(side, observer, { what, reference, pods }, create, all);
  await each(count, (index) => client.ok("DELETE", `${collection}/bench-${index}`));
  await observer.until(() => observer.present.size === 0);
  observer.close();
}
