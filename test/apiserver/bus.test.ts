import { expect, test } from "vitest";
import { serveBus } from "../../services/apiserver/bus-server.ts";
import { createContext } from "../../services/apiserver/context.ts";
import { engineOf } from "../../services/apiserver/engine.ts";
import type { Authorizer } from "../../services/apiserver/request.ts";
import type { EventsRequest, TokenRequestMessage } from "../../shared/actor/api.ts";
import { type ApiClient, createClient } from "../../shared/actor/client.ts";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { NO_FAULTS } from "../../shared/faults/language.ts";
import type { SimulatedProcess } from "../../shared/runtime/seeded.ts";
import { SimulatedNetwork } from "../sim/network.ts";
import { type Cluster, engineOptions, settled, startCluster, startReplica } from "./harness.ts";

interface BusCluster extends Cluster {
  readonly network: SimulatedNetwork;
  client(identity: string): ApiClient;
  /** One more replica on the bus. */
  join(name: string): Promise<SimulatedProcess>;
  readonly first: SimulatedProcess;
}

const NODE_ONLY: Authorizer = {
  authorize: ({ user, resource }) => ({
    allowed: user.username === "system:node:n1" || resource !== "secrets",
    reason: "",
  }),
};

async function startBusCluster(): Promise<BusCluster> {
  const cluster = await startCluster();
  const network = new SimulatedNetwork(cluster.runtime, NO_FAULTS);
  const join = async (name: string): Promise<SimulatedProcess> => {
    const runtime = cluster.runtime.process(name);
    const { projections } = await startReplica(cluster.runtime, cluster.stores);
    const { stores } = cluster;
    const context = createContext(engineOptions(runtime, stores, projections, NODE_ONLY));
    const bus = network.connect(runtime);
    serveBus({ bus, engine: engineOf(context), context, replica: name });
    return runtime;
  };
  const first = await join("apiserver-1");
  let clients = 0;
  const client = (identity: string): ApiClient => {
    const runtime = cluster.runtime.process(`client-${++clients}`);
    const bus = network.connect(runtime);
    return createClient({ runtime, bus, logger: silentLogger, identity });
  };
  return { ...cluster, network, client, join, first };
}

function configMap(name: string): KubernetesObject {
  const metadata = { name, namespace: "default" };
  return { apiVersion: "v1", kind: "ConfigMap", metadata, data: { n: name } };
}

test("a plan, and what it wrote", async () => {
  const cluster = await startBusCluster();
  const client = cluster.client("system:controller:test");
  const key = "configmaps/default/a";
  const request = {
    trace: "t1",
    actor: "test",
    replica: "test-1",
    cause: 0,
    decidedAt: 0,
    actions: [{ op: "create", key, object: configMap("a") }],
  } as const;
  const committed = await settled(cluster.runtime, client.plan(request));
  expect(committed).toMatchObject({ outcome: "committed" });
  expect(await settled(cluster.runtime, client.plan(request))).toEqual(committed);
  const found = await settled(cluster.runtime, client.get(key));
  expect(found).toMatchObject({ kind: "ConfigMap", data: { n: "a" } });
  expect(await settled(cluster.runtime, client.get("configmaps/default/b"))).toBeUndefined();
});

test("plans of one request are committed or refused each on its own", async () => {
  const cluster = await startBusCluster();
  const client = cluster.client("system:controller:test");
  const base = { actor: "test", replica: "test-1", cause: 0, decidedAt: 0 };
  const creating = (trace: string, name: string) => {
    const key = `configmaps/default/${name}`;
    const action = { op: "create", key, object: configMap(name) } as const;
    return { ...base, trace, actions: [action] };
  };
  const plans = [creating("t1", "a"), creating("t2", "a"), creating("t3", "b")];
  const outcomes = await settled(cluster.runtime, client.plans(plans));
  expect(outcomes.map((each) => each?.outcome)).toEqual(["committed", "refused", "committed"]);
  const { body } = await cluster.call({
    verb: "list",
    resource: "configmaps",
    namespace: "default",
  });
  expect(body.items.map((item: KubernetesObject) => item.metadata.name)).toEqual(["a", "b"]);
});

test("what an identity may not do, and what makes no sense", async () => {
  const cluster = await startBusCluster();
  const client = cluster.client("system:controller:test");
  const secret = client.get("secrets/default/s");
  await expect(settled(cluster.runtime, secret)).rejects.toMatchObject({
    status: { code: 403, reason: "Forbidden" },
  });
  const nonsense = client.request("plan", { actions: "many" });
  await expect(settled(cluster.runtime, nonsense)).rejects.toMatchObject({
    status: { code: 400 },
  });
  const unknown = client.request("dance", {});
  await expect(settled(cluster.runtime, unknown)).rejects.toMatchObject({ status: { code: 400 } });
});

interface Seen {
  readonly log: string[];
  readonly revisions: number[];
}

function follow(client: ApiClient, fieldSelector?: string): Seen {
  const seen: Seen = { log: [], revisions: [] };
  client.watch(
    { resource: "configmaps", ...(fieldSelector ? { fieldSelector } : {}) },
    {
      listing: () => seen.log.push("listing"),
      version: (key, revision, object) => {
        seen.log.push(`${object ? "is" : "gone"} ${key.split("/")[2]}`);
        seen.revisions.push(revision);
      },
      synced: () => seen.log.push("synced"),
      reached: () => undefined,
    },
  );
  return seen;
}

async function put(cluster: Cluster, name: string): Promise<void> {
  const call = { verb: "create", resource: "configmaps", namespace: "default" } as const;
  await cluster.call({ ...call, body: { metadata: { name } } });
}

test("a watch lists, then tells each change; another replica continues it", async () => {
  const cluster = await startBusCluster();
  await put(cluster, "a");
  const seen = follow(cluster.client("system:node:n1"));
  await cluster.runtime.advance(500);
  await put(cluster, "b");
  await cluster.runtime.advance(100);
  expect(seen.log).toEqual(["listing", "is a", "synced", "is b"]);
  await cluster.join("apiserver-2");
  cluster.first.crash();
  await put(cluster, "c");
  await cluster.runtime.advance(3_000);
  await cluster.call({
    verb: "delete",
    resource: "configmaps",
    namespace: "default",
    name: "a",
  });
  await cluster.runtime.advance(100);
  expect(seen.log).toEqual(["listing", "is a", "synced", "is b", "is c", "gone a"]);
  expect([...seen.revisions].sort((a, b) => a - b)).toEqual(seen.revisions);
});

test("more objects than the window holds arrive as the consumer takes them", async () => {
  const cluster = await startBusCluster();
  const writes = Array.from({ length: 3000 }, (_, index) => {
    const name = `c-${String(index).padStart(4, "0")}`;
    const value = Buffer.from(JSON.stringify({ ...configMap(name), data: {} }));
    return { key: `configmaps/default/${name}`, value, expect: 0 };
  });
  const headers = { actor: "test", replica: "", trace: "", cause: 0 };
  for (let start = 0; start < writes.length; start += 1000) {
    await cluster.stores.cluster.commit(writes.slice(start, start + 1000), headers);
  }
  const seen = follow(cluster.client("system:node:n1"));
  await cluster.runtime.advance(2_000);
  expect(seen.log).toHaveLength(3002);
  expect(seen.log.at(-1)).toBe("synced");
});

test("events that say the same are counted", async () => {
  const cluster = await startBusCluster();
  const client = cluster.client("system:node:n1");
  const regarding = { resource: "pods", namespace: "default", name: "web", uid: "u" };
  const event = { regarding, type: "Normal", reason: "Pulled", message: "done" } as const;
  const other = { ...event, message: "done again" };
  const request: EventsRequest = { actor: "kubelet", replica: "n1", events: [event, event, other] };
  const answer = await settled(cluster.runtime, client.request("event", request));
  expect(answer).toEqual({ published: 3 });
  await settled(cluster.runtime, client.request("event", { ...request, events: [event] }));
  const { body } = await cluster.call({ verb: "list", resource: "events", namespace: "default" });
  const told = body.items.map((item: KubernetesObject) => [item["message"], item["count"]]);
  expect(Object.fromEntries(told)).toEqual({ done: 3, "done again": 1 });
  expect(body.items[0]).toMatchObject({
    involvedObject: { kind: "Pod", apiVersion: "v1", name: "web", uid: "u" },
    source: { component: "kubelet", host: "n1" },
  });
});

test("events are listed in the order in which they were told", async () => {
  const cluster = await startBusCluster();
  const client = cluster.client("system:controller:deployment");
  const regarding = { resource: "pods", namespace: "default", name: "web", uid: "u" };
  const tell = async (...reasons: string[]) => {
    const events = reasons.map((reason) => ({
      regarding,
      type: "Normal" as const,
      reason,
      message: "told",
    }));
    const request: EventsRequest = { actor: "deployment", replica: "n1", events };
    await settled(cluster.runtime, client.request("event", request));
  };
  const reasons = ["Kilo", "Alfa", "Zulu", "Echo", "Bravo", "Lima"];
  await tell(...reasons.slice(0, 3));
  await cluster.runtime.advance(2);
  await tell(...reasons.slice(3));
  await cluster.runtime.advance(2);
  await tell("Alfa");
  const { body } = await cluster.call({ verb: "list", resource: "events", namespace: "default" });
  expect(body.items.map((item: KubernetesObject) => item["reason"])).toEqual(reasons);
  expect(body.items[1]).toMatchObject({ count: 2, source: { component: "deployment-controller" } });
});

test("an event that was told for an hour is told anew", async () => {
  const cluster = await startBusCluster();
  const client = cluster.client("system:node:n1");
  const regarding = { resource: "pods", namespace: "default", name: "web", uid: "u" };
  const event = { regarding, type: "Normal", reason: "Pulled", message: "done" } as const;
  const request: EventsRequest = { actor: "kubelet", replica: "n1", events: [event] };
  await settled(cluster.runtime, client.request("event", request));
  await cluster.runtime.advance(61 * 60_000);
  await settled(cluster.runtime, client.request("event", request));
  const { body } = await cluster.call({ verb: "list", resource: "events", namespace: "default" });
  expect(body.items.map((item: KubernetesObject) => item["count"])).toEqual([1, 1]);
});

test("tokens, and requests as over HTTPS", async () => {
  const cluster = await startBusCluster();
  const client = cluster.client("system:controller:test");
  const message: TokenRequestMessage = {
    namespace: "default",
    name: "default",
    request: {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      metadata: { name: "" },
      spec: { audiences: ["a"] },
    },
  };
  const token = await settled(cluster.runtime, client.request("token", message));
  expect(token).toMatchObject({ status: { token: "token-of-default" } });
  const list = { verb: "list", resource: "namespaces" };
  const reply = await settled(cluster.runtime, client.request("request", list));
  expect(reply).toMatchObject({ code: 200, body: { kind: "NamespaceList" } });
});

test("heartbeats become a lease, at most every ten seconds", async () => {
  const cluster = await startBusCluster();
  const node = cluster.runtime.process("node");
  const bus = cluster.network.connect(node);
  const beat = (subject: string, ...nodes: string[]) =>
    bus.publish(subject, Buffer.from(JSON.stringify({ nodes })));
  const call = { resource: "leases.coordination.k8s.io", namespace: "kube-node-lease" } as const;
  const lease = async () => (await cluster.call({ ...call, verb: "get", name: "n1" })).body;
  beat("heartbeat.n1", "n1", "n2");
  await cluster.runtime.advance(100);
  const first = await lease();
  expect((await cluster.call({ ...call, verb: "get", name: "n2" })).code).toBe(404);
  expect(first.spec).toMatchObject({ holderIdentity: "n1", leaseDurationSeconds: 40 });
  beat("heartbeat.n1", "n1");
  await cluster.runtime.advance(5_000);
  expect((await lease()).metadata.resourceVersion).toBe(first.metadata.resourceVersion);
  await cluster.runtime.advance(6_000);
  beat("heartbeat.n1", "n1");
  await cluster.runtime.advance(100);
  expect((await lease()).metadata.resourceVersion).not.toBe(first.metadata.resourceVersion);
});

test("a process that plays many nodes beats for them; each has a lease of its own", async () => {
  const cluster = await startBusCluster();
  const bus = cluster.network.connect(cluster.runtime.process("nodes"));
  const nodes = Array.from({ length: 250 }, (_, index) => `n${index}`);
  const beat = () => bus.publish("heartbeats", Buffer.from(JSON.stringify({ nodes })));
  const call = { resource: "leases.coordination.k8s.io", namespace: "kube-node-lease" } as const;
  beat();
  await cluster.runtime.advance(1_000);
  const before = (await cluster.call({ ...call, verb: "list" })).body.items;
  expect(before).toHaveLength(250);
  await cluster.runtime.advance(10_000);
  beat();
  await cluster.runtime.advance(1_000);
  const after = (await cluster.call({ ...call, verb: "list" })).body.items;
  for (const [index, lease] of after.entries()) {
    const { renewTime, ...rest } = lease.spec;
    expect(rest).toEqual({ holderIdentity: lease.metadata.name, leaseDurationSeconds: 40 });
    expect(renewTime > before[index].spec.renewTime).toBe(true);
  }
});
