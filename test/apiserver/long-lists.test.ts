import { expect, test } from "vitest";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { type Cluster, collect, requestOf, settled, startCluster } from "./harness.ts";

/** More than are looked at in one turn. */
const OBJECTS = 300;
const HEADERS = { actor: "test", replica: "", trace: "", cause: 0 };
const CALL = { resource: "configmaps", namespace: "default" } as const;

const nameOf = (index: number): string => `c-${String(index).padStart(3, "0")}`;

async function write(cluster: Cluster, index: number, labels: object): Promise<void> {
  const name = nameOf(index);
  const metadata = { name, namespace: "default", labels };
  const value = Buffer.from(JSON.stringify({ kind: "ConfigMap", apiVersion: "v1", metadata }));
  await cluster.stores.cluster.commit([{ key: `configmaps/default/${name}`, value }], HEADERS);
}

/** Every third is not selected. */
async function filledCluster(): Promise<Cluster> {
  const cluster = await startCluster();
  for (let index = 0; index < OBJECTS; index++) {
    await write(cluster, index, index % 3 === 0 ? { off: "" } : {});
  }
  await cluster.runtime.advance(10);
  return cluster;
}

const SELECTED = Array.from({ length: OBJECTS }, (_, index) => index)
  .filter((index) => index % 3 !== 0)
  .map(nameOf);
const namesOf = (items: readonly KubernetesObject[]) => items.map(({ metadata }) => metadata.name);

test("pages of what is selected are together the whole", async () => {
  const cluster = await filledCluster();
  const query = { labelSelector: "!off", fieldSelector: "metadata.name!=none" };
  const whole = await cluster.call({ ...CALL, verb: "list", query });
  expect(namesOf(whole.body.items)).toEqual(SELECTED);
  expect(whole.body.metadata).not.toHaveProperty("continue");
  for (const limit of [1, 70, 100, SELECTED.length, 500]) {
    const found: string[] = [];
    for (let token = ""; ; ) {
      const paged = { ...query, limit: String(limit), ...(token ? { continue: token } : {}) };
      const { body } = await cluster.call({ ...CALL, verb: "list", query: paged });
      expect(body.items.length).toBeGreaterThan(0);
      expect(body.items.length).toBeLessThanOrEqual(limit);
      expect(body.metadata).not.toHaveProperty("remainingItemCount");
      found.push(...namesOf(body.items));
      token = (body.metadata as unknown as { continue?: string }).continue ?? "";
      if (token === "") break;
    }
    expect(found).toEqual(SELECTED);
  }
});

test("a list is of one revision, whatever is written while it is made", async () => {
  const cluster = await filledCluster();
  for (let events = 0; events < 12; events++) {
    const before = cluster.projections.cluster.revision;
    const query = { labelSelector: "!off", resourceVersion: "0" };
    const answer = cluster.engine.handle(requestOf({ ...CALL, verb: "list", query }));
    for (let each = 0; each < events; each++) await cluster.runtime.step();
    await write(cluster, 299, { round: String(events) });
    await write(cluster, 1, { round: String(events) });
    const response = await settled(cluster.runtime, answer);
    if (response.type === "watch") throw new Error("a watch");
    const { metadata, items } = JSON.parse(Buffer.concat(response.body).toString());
    const revision = Number(metadata.resourceVersion);
    expect(revision).toBeGreaterThanOrEqual(before);
    const view = cluster.projections.cluster.at(revision);
    for (const item of items as KubernetesObject[]) {
      const { name, resourceVersion } = item.metadata;
      expect(resourceVersion).toBe(String(view.get(`configmaps/default/${name}`)?.revision));
    }
    await cluster.runtime.advance(10);
  }
});

test("a watch that begins with the state misses nothing and tells nothing twice", async () => {
  const cluster = await filledCluster();
  for (let events = 0; events < 12; events++) {
    const query = { labelSelector: "!off", sendInitialEvents: "true", allowWatchBookmarks: "true" };
    const match = { ...query, resourceVersionMatch: "NotOlderThan" };
    const asked = cluster.engine.handle(requestOf({ ...CALL, verb: "watch", query: match }));
    for (let each = 0; each < events; each++) await cluster.runtime.step();
    await write(cluster, 299, { round: String(events) });
    await write(cluster, 1, { round: String(events) });
    await write(cluster, 4, events % 2 === 0 ? { off: "" } : {});
    const response = await settled(cluster.runtime, asked);
    if (response.type !== "watch") throw new Error("no watch");
    const watch = collect(response);
    await cluster.runtime.advance(50);
    const state = new Map<string, string>();
    let last = 0;
    const synced = watch.events.findIndex(({ type }) => type === "BOOKMARK");
    for (const [index, { type, object }] of watch.events.entries()) {
      const { name = "", resourceVersion = "" } = object.metadata;
      if (index >= synced) {
        expect(Number(resourceVersion)).toBeGreaterThan(last);
        last = Number(resourceVersion);
      } else expect(type).toBe("ADDED");
      if (type === "DELETED") expect(state.delete(name)).toBe(true);
      else if (type !== "BOOKMARK") state.set(name, resourceVersion);
    }
    const { body } = await cluster.call({
      ...CALL,
      verb: "list",
      query: { labelSelector: "!off" },
    });
    const present = (body.items as KubernetesObject[]).map(({ metadata }) => metadata);
    expect([...state].sort()).toEqual(present.map((at) => [at.name, at.resourceVersion]));
  }
});
