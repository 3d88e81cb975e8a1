import { beforeEach, describe, expect, it } from "vitest";
import {
  type Caller,
  type Cluster,
  callerOf,
  type Replica,
  startCluster,
  startReplica,
  startWatch,
} from "./harness.ts";

const NAMES = ["a", "b", "c", "d", "e"];
const asked = { resource: "configmaps", namespace: "default" } as const;

interface List {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly { readonly metadata: { readonly name: string } }[];
}

/** A pair of replicas of the apiserver over one log; the other one starts when it is wanted. */
describe("a replica of the apiserver", () => {
  let cluster: Cluster;
  beforeEach(async () => {
    cluster = await startCluster();
    for (const name of NAMES) await create(name);
  });

  async function create(name: string): Promise<void> {
    const { code } = await cluster.call({ ...asked, verb: "create", body: { metadata: { name } } });
    expect(code).toBe(201);
  }

  async function list(call: Caller, query: Record<string, string>): Promise<List> {
    const { code, body } = await call({ ...asked, verb: "list", query });
    expect(code, JSON.stringify(body)).toBe(200);
    return body as unknown as List;
  }

  async function another(): Promise<Replica & { call: Caller }> {
    const { runtime, stores } = cluster;
    const replica = await startReplica(runtime, stores);
    return { ...replica, call: callerOf(runtime, replica.engine) };
  }

  const namesOf = ({ items }: List) => items.map(({ metadata }) => metadata.name);

  async function continues(other: Caller, first: List): Promise<void> {
    const token = first.metadata.continue as string;
    const second = await list(other, { limit: "2", continue: token });
    const third = await list(cluster.call, {
      limit: "2",
      continue: second.metadata.continue as string,
    });
    expect([first, second, third].map(namesOf)).toEqual([["a", "b"], ["c", "d"], ["e"]]);
    const revisions = [first, second, third].map(({ metadata }) => metadata.resourceVersion);
    expect(new Set(revisions).size).toBe(1);
  }

  async function change(): Promise<void> {
    await create("aa");
    await create("cc");
    await cluster.call({ ...asked, verb: "delete", name: "d" });
  }

  it("goes on with a list that another began, as of the same revision", async () => {
    const other = await another();
    const first = await list(cluster.call, { limit: "2" });
    await change();
    await continues(other.call, first);
  });

  it("goes on with a list that began before it was started", async () => {
    const first = await list(cluster.call, { limit: "2" });
    await change();
    await continues((await another()).call, first);
  });

  it("lists a revision that its log still has, and says so if not", async () => {
    const { resourceVersion } = (await list(cluster.call, {})).metadata;
    await change();
    const { call } = await another();
    const query = { resourceVersion, resourceVersionMatch: "Exact" };
    expect(namesOf(await list(call, query))).toEqual(NAMES);
    await cluster.stores.cluster.compact(Number(resourceVersion) + 1);
    const { call: third } = await another();
    const { code, body } = await third({ ...asked, verb: "list", query });
    expect([code, (body as unknown as { reason: string }).reason]).toEqual([410, "Expired"]);
  });

  it("goes on with the present if the log has forgotten, once the client agrees", async () => {
    const first = await list(cluster.call, { limit: "2" });
    await change();
    await cluster.stores.cluster.compact(Number(first.metadata.resourceVersion) + 1);
    const { call } = await another();
    const query = { limit: "9", continue: first.metadata.continue as string };
    const { code, body } = await call({ ...asked, verb: "list", query });
    expect([code, (body as unknown as { reason: string }).reason]).toEqual([410, "Expired"]);
    const present = (body as unknown as List).metadata.continue as string;
    const rest = await list(call, { limit: "9", continue: present });
    expect(namesOf(rest)).toEqual(["c", "cc", "e"]);
  });

  it("goes on with a watch behind a list of another", async () => {
    const other = await another();
    const { metadata } = await list(cluster.call, {});
    await change();
    await watches(other, metadata.resourceVersion);
  });

  it("goes on with a watch that began before it was started", async () => {
    const { resourceVersion } = (await list(cluster.call, {})).metadata;
    await change();
    await watches(await another(), resourceVersion);
  });

  it("has clients list anew whose watch is older than the log", async () => {
    const { resourceVersion } = (await list(cluster.call, {})).metadata;
    await change();
    await cluster.stores.cluster.compact(Number(resourceVersion) + 1);
    const other = { ...cluster, ...(await another()) };
    const watch = await startWatch(other, { ...asked, query: { resourceVersion } });
    expect(watch.events).toMatchObject([{ type: "ERROR", object: { code: 410 } }]);
  });

  async function watches(replica: Replica, resourceVersion: string): Promise<void> {
    const query = { resourceVersion };
    const watch = await startWatch({ ...cluster, ...replica }, { ...asked, query });
    await create("f");
    await cluster.runtime.advance(10);
    const seen = watch.events.map(({ type, object }) => `${type} ${object.metadata.name}`);
    expect(seen).toEqual(["ADDED aa", "ADDED cc", "DELETED d", "ADDED f"]);
  }

  it("shows what another has acknowledged", async () => {
    const other = await another();
    await create("new");
    expect(namesOf(await list(other.call, {}))).toContain("new");
  });
});
