import { expect, test } from "vitest";
import { type Cluster, settled, startCluster, startWatch, type TestWatch } from "./harness.ts";

const NAMESPACE = "default";

async function put(cluster: Cluster, name: string, labels: Record<string, string> = {}) {
  const body = { metadata: { name, labels } };
  const asked = { resource: "configmaps", namespace: NAMESPACE } as const;
  const updated = await cluster.call({ ...asked, verb: "update", name, body });
  if (updated.code !== 404) return updated.body;
  return (await cluster.call({ ...asked, verb: "create", body })).body;
}

function take(cluster: Cluster, name: string) {
  return cluster.call({ verb: "delete", resource: "configmaps", namespace: NAMESPACE, name });
}

function seen(watch: TestWatch): string[] {
  return watch.events.map(({ type, object }) => `${type} ${object.metadata?.name ?? ""}`.trim());
}

test("begins with the present state, then tells each change", async () => {
  const cluster = await startCluster();
  await put(cluster, "a");
  const watch = await startWatch(cluster, { resource: "configmaps", namespace: NAMESPACE });
  await put(cluster, "b");
  await put(cluster, "a", { x: "1" });
  await take(cluster, "b");
  expect(seen(watch)).toEqual(["ADDED a", "ADDED b", "MODIFIED a", "DELETED b"]);
});

test("resumes behind a revision, without the state", async () => {
  const cluster = await startCluster();
  const { resourceVersion } = (await put(cluster, "a")).metadata;
  await put(cluster, "b");
  const watch = await startWatch(cluster, {
    resource: "configmaps",
    query: { resourceVersion: resourceVersion ?? "" },
  });
  await put(cluster, "c");
  expect(seen(watch)).toEqual(["ADDED b", "ADDED c"]);
});

test("what enters the selection is added, what leaves it deleted", async () => {
  const cluster = await startCluster();
  const watch = await startWatch(cluster, {
    resource: "configmaps",
    namespace: NAMESPACE,
    query: { labelSelector: "x=1" },
  });
  await put(cluster, "a");
  await put(cluster, "a", { x: "1" });
  await put(cluster, "a", { x: "1", y: "1" });
  const left = await put(cluster, "a", { x: "2" });
  await put(cluster, "a", { x: "3" });
  await take(cluster, "a");
  expect(seen(watch)).toEqual(["ADDED a", "MODIFIED a", "DELETED a"]);
  // The state before it left, at the revision at which it left.
  const last = watch.events.at(-1)?.object;
  expect(last?.metadata.labels).toEqual({ x: "1", y: "1" });
  expect(last?.metadata.resourceVersion).toBe(left.metadata.resourceVersion);
});

test("a watch of one name, and one of a node's pods, are found by index", async () => {
  const cluster = await startCluster();
  const one = await startWatch(cluster, {
    resource: "configmaps",
    namespace: NAMESPACE,
    query: { fieldSelector: "metadata.name=b" },
  });
  const pods = await startWatch(cluster, {
    resource: "pods",
    query: { fieldSelector: "spec.nodeName=n1" },
  });
  await put(cluster, "a");
  await put(cluster, "b");
  const spec = { containers: [{ name: "c", image: "i" }] };
  const pod = { resource: "pods", namespace: NAMESPACE } as const;
  await cluster.call({ ...pod, verb: "create", body: { metadata: { name: "web" }, spec } });
  const target = { kind: "Node", name: "n1" };
  const body = { metadata: { name: "web" }, target };
  await cluster.call({ ...pod, verb: "create", subresource: "binding", name: "web", body });
  expect(seen(one)).toEqual(["ADDED b"]);
  expect(seen(pods)).toEqual(["ADDED web"]);
});

test("initial events end with a bookmark that says so", async () => {
  const cluster = await startCluster();
  await put(cluster, "a");
  const watch = await startWatch(cluster, {
    resource: "configmaps",
    query: {
      sendInitialEvents: "true",
      resourceVersionMatch: "NotOlderThan",
      allowWatchBookmarks: "true",
    },
  });
  expect(seen(watch)).toEqual(["ADDED a", "BOOKMARK"]);
  const bookmark = watch.events[1]?.object;
  expect(bookmark?.kind).toBe("ConfigMap");
  expect(bookmark?.metadata.annotations).toEqual({ "k8s.io/initial-events-end": "true" });
});

test("bookmarks come once a minute and at the end of the time", async () => {
  const cluster = await startCluster();
  const watch = await startWatch(cluster, {
    resource: "configmaps",
    query: { allowWatchBookmarks: "true", timeoutSeconds: "90" },
  });
  await put(cluster, "a");
  await cluster.runtime.advance(61_000);
  expect(seen(watch)).toEqual(["ADDED a", "BOOKMARK"]);
  await cluster.runtime.advance(30_000);
  expect(seen(watch)).toEqual(["ADDED a", "BOOKMARK", "BOOKMARK"]);
  expect(watch.ended()).toBe(true);
});

test("resumes behind a revision that only the log still has", async () => {
  const cluster = await startCluster();
  const { resourceVersion } = (await put(cluster, "a")).metadata;
  await put(cluster, "a", { x: "1" });
  await cluster.runtime.advance(10 * 60_000);
  await put(cluster, "b");
  await put(cluster, "c");
  const query = { resourceVersion: resourceVersion ?? "" };
  const watch = await startWatch(cluster, { resource: "configmaps", query });
  await put(cluster, "d");
  expect(seen(watch)).toEqual(["MODIFIED a", "ADDED b", "ADDED c", "ADDED d"]);
});

test("a revision that is gone is an ERROR event with 410", async () => {
  const cluster = await startCluster();
  const { resourceVersion } = (await put(cluster, "a")).metadata;
  await put(cluster, "a", { x: "1" });
  await cluster.runtime.advance(10 * 60_000);
  await put(cluster, "b");
  await put(cluster, "c");
  await cluster.stores.cluster.compact(Number(resourceVersion) + 1);
  const watch = await startWatch(cluster, {
    resource: "configmaps",
    query: { resourceVersion: resourceVersion ?? "" },
  });
  expect(watch.events).toHaveLength(1);
  expect(watch.events[0]).toMatchObject({
    type: "ERROR",
    object: { kind: "Status", code: 410, reason: "Expired" },
  });
  expect(watch.ended()).toBe(true);
});

test("a client that asks for a rest gets everything later, once and in order", async () => {
  const cluster = await startCluster();
  const watch = await startWatch(cluster, { resource: "configmaps", namespace: NAMESPACE });
  watch.flow.open = false;
  for (const name of ["a", "b", "c", "d", "e"]) await put(cluster, name);
  const before = watch.events.length;
  watch.flow.open = true;
  await cluster.runtime.advance(1_000);
  expect(before).toBeLessThan(5);
  expect(seen(watch)).toEqual(["ADDED a", "ADDED b", "ADDED c", "ADDED d", "ADDED e"]);
});

test("a Table watch brings the columns once", async () => {
  const cluster = await startCluster();
  const watch = await startWatch(cluster, {
    resource: "configmaps",
    namespace: NAMESPACE,
    accept: "application/json;as=Table;v=v1;g=meta.k8s.io",
  });
  await put(cluster, "a");
  await put(cluster, "b");
  const columns = watch.events.map(({ object }) => object["columnDefinitions"]?.length ?? 0);
  expect(columns[0]).toBeGreaterThan(0);
  expect(columns[1]).toBe(0);
});

test("watchers of the same selection and form get the same Buffer", async () => {
  const cluster = await startCluster();
  const frames: Uint8Array[] = [];
  const { requestOf } = await import("./harness.ts");
  for (let watcher = 0; watcher < 2; watcher++) {
    const request = requestOf({ verb: "watch", resource: "configmaps", namespace: NAMESPACE });
    const answer = await settled(cluster.runtime, cluster.engine.handle(request));
    if (answer.type !== "watch") throw new Error("no watch");
    answer.start({
      write: (frame) => {
        frames.push(frame);
        return true;
      },
      end: () => undefined,
    });
  }
  await put(cluster, "a");
  expect(frames).toHaveLength(2);
  expect(frames[0]).toBe(frames[1]);
});
