import { expect, it } from "vitest";
import { startScheduler } from "../../services/scheduler/start.ts";
import type { PlanRequest, PlanResponse } from "../../shared/actor/api.ts";
import type { Bus } from "../../shared/actor/bus.ts";
import type { ApiClient } from "../../shared/actor/client.ts";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import type { Membership } from "../../shared/actor/membership.ts";
import { encodeObject } from "../../shared/api/encode.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { DecisionRecord } from "../../shared/log/decision.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import { Projection } from "../../shared/store/projection.ts";
import { HEADERS } from "../store/harness.ts";

interface Asked {
  readonly request: PlanRequest;
  readonly answer: (response: PlanResponse) => void;
}

/** A scheduler, and an apiserver that answers when the test says so, and writes nothing. */
async function start(room: Readonly<Record<string, string>>) {
  const runtime = new SeededRuntime({ seed: 1 });
  const store = new MemoryStore(runtime);
  const put = async (key: string, object: object) => {
    const value = encodeObject({ apiVersion: "v1", ...object } as KubernetesObject);
    return (await store.commit([{ key, value }], HEADERS))[0] as number;
  };
  const node = (name: string, allocatable: object) =>
    put(`nodes/_/${name}`, { kind: "Node", metadata: { name }, status: { allocatable } });
  for (const [name, cpu] of Object.entries(room)) await node(name, { cpu, pods: "999" });
  const projection = new Projection({ runtime });
  await projection.follow(store);
  const plans: Asked[] = [];
  const records: DecisionRecord[] = [];
  const client = {
    plan: (request: PlanRequest) =>
      new Promise<PlanResponse>((answer) => plans.push({ request, answer })),
    request: async () => ({}),
  } as Partial<ApiClient> as ApiClient;
  const stop = () => undefined;
  const membership: Membership = {
    owns: () => true,
    members: () => [],
    onChange: () => ({ stop }),
    leave: stop,
  };
  const dependencies = { runtime, bus: {} as Bus, logger: silentLogger, replica: "control-1" };
  const decisions = { append: (record: DecisionRecord) => records.push(record) };
  const scheduler = startScheduler({ dependencies, client, membership, projection, decisions });
  const pod = (name: string, nodeName?: string) =>
    put(`pods/default/${name}`, {
      kind: "Pod",
      metadata: { name, namespace: "default", uid: `u-${name}`, generation: 1 },
      spec: { containers: [{ name: "c", resources: { requests: { cpu: "1" } } }], nodeName },
    });
  return { runtime, store, node, pod, plans, records, scheduler, projection };
}

type World = Awaited<ReturnType<typeof start>>;

const namesOf = ({ request }: Asked) => request.actions.map(({ key }) => key.split("/")[2]);

function commit({ projection }: World, { request, answer }: Asked, dropped: string[] = []): void {
  const { revision } = projection;
  const status = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure" } as const;
  const results = request.actions.map(({ key }) =>
    dropped.includes(key.split("/")[2] as string)
      ? { dropped: { ...status, code: 409 } }
      : { revision },
  );
  answer({ outcome: "committed", revision, results });
}

it("gathers pods while a plan is being committed", async () => {
  const world = await start({ n: "9" });
  await world.pod("a");
  await world.runtime.advance(1);
  for (const name of ["b", "c", "d"]) {
    await world.pod(name);
    await world.runtime.advance(1);
  }
  expect(world.plans.map(namesOf)).toEqual([["a"]]);
  commit(world, world.plans[0] as Asked);
  await world.runtime.advance(1);
  expect(world.plans.map(namesOf)).toEqual([["a"], ["b", "c", "d"]]);
});

it("does not wait for an apiserver that has died", async () => {
  const world = await start({ n: "9" });
  await world.pod("a");
  await world.runtime.advance(1);
  await world.pod("b");
  await world.runtime.advance(100);
  expect(world.plans.map(namesOf)).toEqual([["a"], ["b"]]);
});

it("decides on the nodes as if what is under way had succeeded", async () => {
  const world = await start({ m: "1", n: "1" });
  await world.pod("a");
  await world.runtime.advance(1);
  await world.pod("b");
  await world.runtime.advance(100);
  const nodes = world.plans.flatMap(({ request }) =>
    request.actions.map((action) => (action.op === "bind" ? action.node : "")),
  );
  expect(nodes.sort()).toEqual(["m", "n"]);
});

it("tries only those again that were dropped, and forgets them until then", async () => {
  const world = await start({ n: "2" });
  await world.pod("a");
  await world.pod("b");
  await world.runtime.advance(1);
  expect(world.plans.map(namesOf)).toEqual([["a", "b"]]);
  commit(world, world.plans[0] as Asked, ["b"]);
  await world.runtime.advance(100);
  expect(world.plans.map(namesOf)).toEqual([["a", "b"], ["b"]]);
  expect(world.scheduler.counters).toMatchObject({ bound: 1, refused: 1 });
  expect(world.records.map(({ key, replica }) => [key, replica])).toEqual([
    ["pods/default/a", "control-1"],
    ["pods/default/b", "control-1"],
  ]);
});

it("tries a pod again when a node would take it, not with every change", async () => {
  const world = await start({ n: "0" });
  await world.pod("a");
  await world.runtime.advance(1);
  expect(world.plans.map(({ request }) => request.actions[0]?.op)).toEqual(["patch"]);
  commit(world, world.plans[0] as Asked);
  const passes = () => world.scheduler.counters.passes;
  const before = passes();
  await world.node("small", { cpu: "500m", pods: "9" });
  await world.runtime.advance(20_000);
  expect(passes()).toBe(before);
  await world.node("large", { cpu: "1", pods: "9" });
  await world.runtime.advance(20_000);
  expect(world.plans.at(-1)?.request.actions).toMatchObject([{ op: "bind", node: "large" }]);
});
