import { describe, expect, it } from "vitest";
import type { MoreRequest, WatchFrame, WatchRequest } from "../../shared/actor/api.ts";
import { createClient } from "../../shared/actor/client.ts";
import { startFeed } from "../../shared/actor/feed.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { World } from "./world.ts";

type Frame = WatchFrame extends infer F ? (F extends unknown ? Omit<F, "sequence"> : never) : never;

/** Speaks the server's side of the watch protocol, frame by frame as a test says. */
class ScriptedServer {
  readonly requests: WatchRequest[] = [];
  readonly more: MoreRequest[] = [];
  readonly stops: string[] = [];
  readonly #bus;
  readonly #sequences = new Map<string, number>();

  constructor(world: World) {
    this.#bus = world.dependencies("apiserver").bus;
    const parse = (data: Uint8Array) => JSON.parse(Buffer.from(data).toString());
    this.#bus.subscribe("api.*.watch", ({ data }) => void this.requests.push(parse(data)));
    this.#bus.subscribe("api.*.more", ({ data }) => void this.more.push(parse(data)));
    this.#bus.subscribe("api.*.stop", ({ data }) => void this.stops.push(parse(data).consumer));
  }

  /** To the newest watch of the resource. */
  send(resource: string, ...frames: Frame[]): void {
    const consumer = this.consumer(resource);
    for (const frame of frames) {
      const sequence = (this.#sequences.get(consumer) ?? 0) + 1;
      this.#sequences.set(consumer, sequence);
      this.#bus.publish(consumer, Buffer.from(JSON.stringify({ ...frame, sequence })));
    }
  }

  /** As if the next frame had been lost. */
  lose(resource: string): void {
    const consumer = this.consumer(resource);
    this.#sequences.set(consumer, (this.#sequences.get(consumer) ?? 0) + 1);
  }

  consumer(resource: string): string {
    const request = this.requests.findLast((one) => one.resource === resource);
    if (request === undefined) throw new Error(`no watch of ${resource}`);
    return request.consumer;
  }
}

function version(name: string, revision: number, fields: object | null = {}): Frame {
  const key = `pods/default/${name}`;
  if (fields === null) return { type: "version", key, revision };
  const metadata = { name, namespace: "default", resourceVersion: String(revision) };
  const object: KubernetesObject = { apiVersion: "v1", kind: "Pod", metadata, ...fields };
  return { type: "version", key, revision, object };
}

const synced = (revision: number): Frame => ({ type: "synced", revision });
const beat = (revision: number): Frame => ({ type: "beat", revision });

async function started(resources: readonly string[] = ["pods"]) {
  const world = new World();
  const server = new ScriptedServer(world);
  const dependencies = world.dependencies("kubelet");
  const client = createClient({ ...dependencies, identity: "system:node:n" });
  const watches = resources.map((resource) => ({ resource }));
  const feed = startFeed(client, dependencies.runtime, watches);
  const changes: string[] = [];
  feed.subscribe(undefined, ({ type, entry, revision }) => {
    changes.push(`${type} ${entry.name} ${revision}`);
  });
  await world.simulator.advance(10);
  return { world, server, feed, changes, runtime: dependencies.runtime };
}

describe("a feed", () => {
  it("is ready with the first listing, and follows what changes", async () => {
    const { world, server, feed, changes } = await started();
    server.send("pods", version("a", 3), version("b", 5));
    await world.simulator.advance(10);
    expect(feed.ready).toBe(false);
    server.send("pods", synced(6), version("a", 7), version("b", 8, null));
    await world.simulator.advance(10);
    expect(feed.ready).toBe(true);
    expect(feed.revision).toBe(8);
    expect(feed.list("pods").map((entry) => `${entry.name} ${entry.revision}`)).toEqual(["a 7"]);
    expect(changes).toEqual(["ADDED a 3", "ADDED b 5", "MODIFIED a 7", "DELETED b 8"]);
  });

  it("asks another server after two missed beats, from where it is", async () => {
    const { world, server } = await started();
    server.send("pods", synced(6), version("a", 7));
    await world.simulator.advance(400);
    expect(server.requests).toHaveLength(1);
    await world.simulator.advance(500);
    expect(server.requests.map((request) => request.from)).toEqual([undefined, 7]);
    expect(server.stops).toEqual([server.requests[0]?.consumer]);
  });

  it("stays with a server that it did not listen to because it was busy itself", async () => {
    const { world, server, feed, runtime } = await started();
    server.send("pods", synced(6));
    await world.simulator.advance(240);
    runtime.pause(2_000);
    for (let turn = 0; turn < 12; turn++) {
      await world.simulator.advance(250);
      server.send("pods", beat(7 + turn));
    }
    await world.simulator.advance(10);
    expect(server.requests).toHaveLength(1);
    expect(feed.revision).toBe(18);
  });

  it("stays with a server that has nothing to say but beats", async () => {
    const { world, server, feed } = await started();
    server.send("pods", synced(6));
    for (let turn = 0; turn < 20; turn++) {
      server.send("pods", beat(6 + turn));
      await world.simulator.advance(250);
    }
    expect(server.requests).toHaveLength(1);
    expect(feed.revision).toBe(25);
  });

  it("notices a lost frame, and takes none twice", async () => {
    const { world, server, changes } = await started();
    server.send("pods", synced(6), version("a", 7));
    server.lose("pods");
    server.send("pods", version("c", 9));
    await world.simulator.advance(10);
    expect(server.requests.at(-1)?.from).toBe(7);
    server.send("pods", version("a", 7), version("b", 8), version("c", 9), beat(9));
    await world.simulator.advance(10);
    expect(changes).toEqual(["ADDED a 7", "ADDED b 8", "ADDED c 9"]);
  });

  it("begins again when it was cut off in the middle of a listing", async () => {
    const { world, server, feed, changes } = await started();
    server.send("pods", version("a", 3));
    server.lose("pods");
    server.send("pods", synced(6));
    await world.simulator.advance(10);
    expect(server.requests.at(-1)?.from).toBeUndefined();
    server.send("pods", version("a", 3), version("b", 5), synced(6));
    await world.simulator.advance(10);
    expect(feed.ready).toBe(true);
    expect(changes).toEqual(["ADDED a 3", "ADDED b 5"]);
  });

  it("lists again after 410, and finds out what is gone", async () => {
    const { world, server, changes } = await started();
    server.send("pods", version("a", 3), version("b", 5), synced(6));
    const metadata = {};
    const status = { kind: "Status", apiVersion: "v1", metadata, status: "Failure" } as const;
    server.send("pods", { type: "ended", status: { ...status, code: 410, reason: "Expired" } });
    await world.simulator.advance(300);
    expect(server.requests.at(-1)?.from).toBeUndefined();
    server.send("pods", version("b", 5), version("c", 40), synced(50));
    await world.simulator.advance(10);
    expect(changes).toEqual(["ADDED a 3", "ADDED b 5", "ADDED c 40", "DELETED a 50"]);
  });

  it("goes by the slowest of its watches", async () => {
    const { world, server, feed } = await started(["pods", "services"]);
    server.send("pods", synced(10));
    await world.simulator.advance(5);
    expect([feed.ready, feed.revision]).toEqual([false, 0]);
    server.send("services", synced(8));
    const waiting = feed.waitFor(10, 1_000);
    await world.simulator.advance(5);
    expect([feed.ready, feed.revision]).toEqual([true, 8]);
    server.send("services", beat(12));
    await world.simulator.complete(waiting);
    expect(feed.revision).toBe(10);
    await expect(world.simulator.complete(feed.waitFor(99, 100))).rejects.toThrow("99");
  });

  it("says how far it has come, so that the server goes on and knows that it lives", async () => {
    const { world, server } = await started();
    server.send("pods", synced(1));
    for (let revision = 2; revision <= 600; revision++) server.send("pods", beat(revision));
    await world.simulator.advance(10);
    expect(server.more.at(-1)?.received).toBeGreaterThan(500);
    expect(server.more.length).toBeLessThan(5);
  });

  it("finds objects as a projection does", async () => {
    const { world, server, feed } = await started();
    const metadata = (name: string) => ({
      name,
      namespace: "default",
      labels: { app: name },
      ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "rs", uid: "u1" }],
    });
    server.send(
      "pods",
      version("b", 2, { metadata: metadata("b"), spec: { nodeName: "n1" } }),
      version("a", 3, { metadata: metadata("a"), spec: { nodeName: "n2" } }),
      synced(3),
    );
    await world.simulator.advance(5);
    const nameOf = (entries: readonly { name: string }[]) => entries.map(({ name }) => name);
    expect(nameOf(feed.list("pods", "default"))).toEqual(["a", "b"]);
    expect(nameOf(feed.list("pods", "other"))).toEqual([]);
    expect(nameOf(feed.ownedBy("pods", "u1"))).toEqual(["a", "b"]);
    expect(nameOf(feed.labelled("pods", "default", { app: "a" }))).toEqual(["a"]);
    expect(nameOf(feed.onNode("n1"))).toEqual(["b"]);
    expect(Object.isFrozen(feed.get("pods/default/a")?.object.metadata)).toBe(true);
    expect(() => feed.at(1)).toThrow("compacted");
    expect(() => feed.at(9)).toThrow("future");
  });
});
