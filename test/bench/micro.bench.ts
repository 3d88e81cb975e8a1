/**
 * The parts on the hot paths, each alone in one process. Prints microseconds and allocated bytes
 * for one of a kind.
 */

import { RbacAuthorizer } from "../../services/apiserver/auth/authorize.ts";
import { bootstrapObjects } from "../../services/apiserver/bootstrap/objects.ts";
import { ClusterState } from "../../services/scheduler/cluster-state.ts";
import { podInfo } from "../../services/scheduler/pod-info.ts";
import { Scheduling } from "../../services/scheduler/schedule.ts";
import { snapshotOf } from "../../shared/actor/snapshot.ts";
import { decodeBody } from "../../shared/api/decode.ts";
import { applyDefaults } from "../../shared/api/defaults.ts";
import { encodeObject } from "../../shared/api/encode.ts";
import type { Pod } from "../../shared/api/generated/types.ts";
import { applyConfiguration, trackUpdate } from "../../shared/api/patch/apply.ts";
import { applyMergePatch } from "../../shared/api/patch/merge.ts";
import { applyStrategicMergePatch } from "../../shared/api/patch/strategic.ts";
import { validateCreate } from "../../shared/api/validation/index.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import { Projection } from "../../shared/store/projection.ts";
import { HEADERS, testRuntime } from "../store/harness.ts";
import { countCollisions } from "./micro/collisions.ts";
import { commits } from "./micro/commits.ts";
import { filled, node, PODS, pod, podManifest } from "./micro/objects.ts";
import { counting, heading, time, timeOnce } from "./micro/timing.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const by = { manager: "bench", now: NOW };

function writePath(): void {
  const body = Buffer.from(JSON.stringify(podManifest("web-1")));
  heading(`The write path, for a pod of ${body.length} bytes`);
  const decoded = () => decodeBody(body, "application/json", PODS, "Strict").object;
  time("JSON.parse alone", 1, () => JSON.parse(body.toString()));
  time("decode", 1, decoded);
  time("decode, default", 1, () => applyDefaults(PODS, decoded()));
  time("decode, default, validate", 1, () => {
    const object = decoded();
    applyDefaults(PODS, object);
    return validateCreate(PODS, object);
  });
  const old = pod(1);
  time("track managed fields of a creation", 1, () => trackUpdate(undefined, old, PODS, by));
  old.metadata.managedFields = trackUpdate(undefined, old, PODS, by);
  const next = structuredClone(old);
  next.metadata.labels = { ...next.metadata.labels, tier: "back" };
  time("track managed fields of an update", 1, () => trackUpdate(old, next, PODS, by));
  time("encode", 1, () => encodeObject(old));
  time("JSON.stringify alone", 1, () => JSON.stringify(old));
  time("structuredClone alone", 1, () => structuredClone(old));
}

function patches(): void {
  heading("Patches of that pod");
  const live = pod(1);
  const change = {
    metadata: { labels: { tier: "back" } },
    spec: { containers: [{ name: "c-1", image: "registry.example/web:2" }] },
  };
  time("merge patch", 1, () => applyMergePatch(live, { metadata: change.metadata }));
  time("strategic merge patch", 1, () => applyStrategicMergePatch(live, change, PODS));
  const applied = podManifest("web-1") as never;
  const options = { ...by, force: false };
  time("apply, new", 1, () => applyConfiguration(undefined, applied, PODS, options));
  const { object } = applyConfiguration(undefined, applied, PODS, options);
  time("apply, nothing changed", 1, () => applyConfiguration(object, applied, PODS, options));
  const other = structuredClone(applied) as { spec: { containers: { image: string }[] } };
  for (const each of other.spec.containers) each.image = "registry.example/web:2";
  time("apply, two fields changed", 1, () =>
    applyConfiguration(object, other as never, PODS, options),
  );
}

async function projections(count: number): Promise<void> {
  heading(`Store and projection, ${count} pods`);
  const writes = Array.from({ length: count }, (_, index) => {
    const value = encodeObject(pod(index, `node-${index % 100}`));
    return { key: `pods/default/web-${index}`, value, expect: 0 };
  });
  const store = () => new MemoryStore(testRuntime);
  await timeOnce("memory store: commit of one", count, store, async (empty) => {
    for (const write of writes) await empty.commit([write], HEADERS);
  });
  await timeOnce("memory store: commit, 100 in a plan, each", count, store, async (empty) => {
    for (let at = 0; at < count; at += 100) await empty.commit(writes.slice(at, at + 100), HEADERS);
  });
  const following = (indexed: boolean) => async () => {
    const empty = store();
    const projection = new Projection({ runtime: testRuntime });
    await projection.follow(empty);
    // An index is kept from its first use on.
    if (indexed) projection.labelled("pods", "default", { app: "web" });
    return { empty, projection };
  };
  for (const indexed of [false, true]) {
    const what = `projection: change applied${indexed ? ", indexed by label" : ""} (with commit)`;
    await timeOnce(what, count, following(indexed), async ({ empty, projection }) => {
      for (const write of writes) await empty.commit([write], HEADERS);
      await projection.waitFor(count, 10_000);
      projection.stop();
    });
  }
  const objects = new Map(writes.map(({ key }, index) => [key, pod(index, `node-${index % 100}`)]));
  const { projection } = await filled(objects);
  const at = snapshotOf(projection, NOW);
  time("get", 1, () => projection.get("pods/default/web-7"));
  time("list as bytes, each object", count, () => {
    let bytes = 0;
    for (const entry of projection.list("pods", "default")) bytes += entry.bytes.length;
    return bytes;
  });
  time("snapshot list as objects, each", count, () => at.list("pods", "default"));
  time("snapshot: of one owner (all), each", count, () => at.ownedBy("pods", "owner"));
  time("snapshot: by label (all), each", count, () =>
    at.labelled("pods", "default", { app: "web" }),
  );
  time("snapshot: of one node (1 in 100), each", count / 100, () => at.onNode("node-7"));
  projection.stop();
}

async function scheduling(nodes: number): Promise<void> {
  const objects = new Map(
    Array.from({ length: nodes }, (_, index) => [`nodes/${"_"}/node-${index}`, node(index)]),
  );
  const { projection } = await filled(objects);
  const pods = Array.from({ length: 1_000 }, (_, index) => pod(index) as Pod);
  const prepare = () => {
    const { table } = new ClusterState(projection);
    // Rows are made when nodes have come or gone, not for every pod.
    return { nodes: table.rows, scheduling: new Scheduling(table), pods: pods.map(podInfo) };
  };
  await timeOnce(`decide a pod, 1,000 at once, ${nodes} nodes`, 1_000, prepare, (at) =>
    at.scheduling.place(at.pods),
  );
  await timeOnce(`decide a pod, one at a time, ${nodes} nodes`, 100, prepare, (at) =>
    at.pods.slice(0, 100).flatMap((each) => at.scheduling.place([each])),
  );
  const strangers = pods.slice(0, 100).map((each, index) => {
    const resources = { requests: { cpu: `${index + 1}m` } };
    const containers = [{ name: "c", resources }];
    return { ...each, spec: { ...each.spec, containers } } as Pod;
  });
  const unlike = () => ({ ...prepare(), pods: strangers.map(podInfo) });
  await timeOnce(`decide a pod, none like another, ${nodes} nodes`, 100, unlike, (at) =>
    at.pods.flatMap((each) => at.scheduling.place([each])),
  );
  projection.stop();
}

async function collisions(nodes: number): Promise<void> {
  for (const schedulers of [1, 2, 4]) {
    const { plans, conflicts, bound, dropped } = await countCollisions(schedulers, nodes);
    const share = (part: number, whole: number) => `${((100 * part) / whole).toFixed(1)} %`;
    console.info(
      `${schedulers} schedulers, ${nodes} nodes, ${bound} pods: ${plans} plans committed, ` +
        `${share(conflicts, plans + conflicts)} decided again; ` +
        `${share(dropped, bound + dropped)} of the bindings dropped`,
    );
  }
}

async function authorization(): Promise<void> {
  heading("Authorization, with the roles and bindings that every cluster has");
  const { projection } = await filled(
    new Map(bootstrapObjects().map(({ key, object }) => [key, object])),
  );
  const rbac = new RbacAuthorizer(projection);
  const asks = (username: string, verb: string, resource: string) => {
    const user = { username, groups: ["system:authenticated"] };
    const place = { group: "", subresource: "", namespace: "default", name: "web-1" };
    return () => rbac.authorize({ user, verb, resource, ...place });
  };
  time("allowed (a controller)", 1, asks("system:kube-scheduler", "get", "pods"));
  time("refused (nobody)", 1, asks("nobody", "delete", "secrets"));
  projection.stop();
}

writePath();
patches();
await projections(5_000);
heading("Scheduling");
for (const nodes of [100, 1_000, 5_000]) await scheduling(nodes);
heading("Several schedulers, each with its own apiserver (counted, not timed)");
for (const nodes of [100, 1_000]) await collisions(nodes);
await authorization();
if (!counting) await commits(encodeObject(pod(1)));
