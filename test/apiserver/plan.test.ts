import { expect, test } from "vitest";
import type { EnginePlanResult } from "../../services/apiserver/request.ts";
import type { Action } from "../../shared/actor/plan.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { Store } from "../../shared/store/store.ts";
import { type Cluster, type Replica, settled, startCluster, startReplica } from "./harness.ts";

const USER = { username: "system:controller:test", groups: ["system:authenticated"] };
let traces = 0;

function plan(
  cluster: Cluster,
  actions: readonly Action[],
  options: { trace?: string; replica?: Replica } = {},
): Promise<EnginePlanResult> {
  const { engine } = options.replica ?? cluster;
  const trace = options.trace ?? `trace-${++traces}`;
  const asked = { user: USER, actor: "test", replica: "test-1", trace, cause: 0, actions };
  return settled(cluster.runtime, engine.plan(asked));
}

const HEAD = { apiVersion: "v1", kind: "ConfigMap" };

function configMap(name: string, data: Record<string, string> = {}, namespace = "default") {
  return {
    op: "create",
    key: `configmaps/${namespace}/${name}`,
    object: { ...HEAD, metadata: { name, namespace }, data },
  } as const;
}

async function get(cluster: Cluster, resource: string, name: string, namespace = "default") {
  return (await cluster.call({ verb: "get", resource, namespace, name })).body;
}

async function createPod(cluster: Cluster, name: string, cpu: string) {
  const resources = { requests: { cpu } };
  const body = { metadata: { name }, spec: { containers: [{ name: "c", image: "i", resources }] } };
  const pod = { verb: "create", resource: "pods", namespace: "default" } as const;
  return (await cluster.call({ ...pod, body })).body;
}

async function createNode(cluster: Cluster, name: string, cpu: string) {
  const body = { metadata: { name }, status: { allocatable: { cpu, pods: "110" } } };
  await cluster.call({ verb: "create", resource: "nodes", body });
}

test("commits everything as one, on consecutive revisions", async () => {
  const cluster = await startCluster();
  const result = await plan(cluster, [configMap("a"), configMap("b")]);
  if (result.outcome !== "committed") throw new Error(JSON.stringify(result));
  const [a, b] = result.results;
  expect(b?.revision).toBe((a?.revision ?? 0) + 1);
  expect(result.revision).toBe(b?.revision);
  const entry = cluster.projections.cluster.get("configmaps/default/b");
  expect(entry?.headers).toMatchObject({ actor: "test", replica: "test-1" });
});

test("an action sees what an earlier one of the plan has done", async () => {
  const cluster = await startCluster();
  const result = await plan(cluster, [
    configMap("a", { k: "1" }),
    { op: "patch", key: "configmaps/default/a", patch: { data: { l: "2" } } },
  ]);
  expect(result.outcome).toBe("committed");
  expect((await get(cluster, "configmaps", "a")).data).toEqual({ k: "1", l: "2" });
});

test("one conflict refuses the whole", async () => {
  const cluster = await startCluster();
  await plan(cluster, [configMap("taken")]);
  const result = await plan(cluster, [configMap("free"), configMap("taken")]);
  expect(result).toMatchObject({ outcome: "refused", status: { reason: "AlreadyExists" } });
  expect((await get(cluster, "configmaps", "free")).code).toBe(404);
});

test("what admission refuses is dropped alone, with all that it staged", async () => {
  const cluster = await startCluster();
  const result = await plan(cluster, [configMap("a", {}, "nowhere"), configMap("b")]);
  expect(result).toMatchObject({
    outcome: "committed",
    results: [{ dropped: { reason: "NotFound" } }, { revision: expect.any(Number) }],
  });
});

test("a claim is written although nothing changes, and refuses the second decision", async () => {
  const cluster = await startCluster();
  await plan(cluster, [configMap("owner")]);
  const owner = await get(cluster, "configmaps", "owner");
  const expectVersion = owner.metadata.resourceVersion as string;
  const claim = {
    op: "update",
    key: "configmaps/default/owner",
    object: owner,
    expect: expectVersion,
    claim: true,
  } as const;
  const first = await plan(cluster, [configMap("child-1"), claim]);
  const second = await plan(cluster, [configMap("child-2"), claim]);
  expect(first).toMatchObject({ outcome: "committed" });
  expect(second).toMatchObject({ outcome: "refused", status: { reason: "Conflict" } });
  expect((await get(cluster, "configmaps", "child-2")).code).toBe(404);
});

test("the claim comes last in the commit", async () => {
  const cluster = await startCluster();
  await plan(cluster, [configMap("owner")]);
  const owner = await get(cluster, "configmaps", "owner");
  const key = "configmaps/default/owner";
  const expectVersion = owner.metadata.resourceVersion as string;
  const result = await plan(cluster, [
    { op: "patch", key, patch: { data: { a: "1" } } },
    configMap("child"),
    { op: "patch", key, patch: { data: { b: "1" } }, expect: expectVersion },
  ]);
  if (result.outcome !== "committed") throw new Error(JSON.stringify(result));
  expect(result.results[2]?.revision).toBe(result.revision);
  expect(result.results[1]?.revision).toBe(result.revision - 1);
});

test("sent again, it is answered as before, by any replica", async () => {
  const cluster = await startCluster();
  const other = await startReplica(cluster.runtime, cluster.stores);
  const actions = [configMap("a"), configMap("b")];
  const first = await plan(cluster, actions, { trace: "once" });
  const again = await plan(cluster, actions, { trace: "once" });
  const elsewhere = await plan(cluster, actions, { trace: "once", replica: other });
  expect(first.outcome).toBe("committed");
  expect(again).toEqual(first);
  expect(elsewhere).toEqual(first);
});

test("a node is not filled beyond what it has", async () => {
  const cluster = await startCluster();
  await createNode(cluster, "n1", "2");
  const pods = [];
  for (const name of ["a", "b", "c"]) pods.push(await createPod(cluster, name, "1"));
  const bind = (pod: KubernetesObject) =>
    ({
      op: "bind",
      key: `pods/default/${pod.metadata.name}`,
      node: "n1",
      uid: pod.metadata.uid ?? "",
      expect: pod.metadata.resourceVersion ?? "",
    }) as const;
  const all = await plan(cluster, pods.map(bind));
  const cannot = 'node "n1" cannot hold the pod: Insufficient cpu';
  const message = `Operation cannot be fulfilled on pods/binding "c": ${cannot}`;
  expect(all).toMatchObject({
    outcome: "committed",
    results: [
      { revision: expect.any(Number) },
      { revision: expect.any(Number) },
      { dropped: { reason: "Conflict", message } },
    ],
  });
  expect((await get(cluster, "pods", "c")).spec.nodeName).toBeUndefined();
});

test("a binding decided on a newer state than the replica's waits for that", async () => {
  const cluster = await startCluster();
  const late = laggingUntilAsked(cluster.stores.cluster);
  const replica = await startReplica(cluster.runtime, { ...cluster.stores, cluster: late.store });
  await createNode(cluster, "n1", "2");
  await createPod(cluster, "a", "1");
  await createPod(cluster, "b", "1");
  await cluster.runtime.advance(10);
  late.hold();
  const labels = { op: "patch", patch: { metadata: { labels: { x: "y" } } } } as const;
  await plan(cluster, [{ ...labels, key: "pods/default/a" }]);
  const pods = [await get(cluster, "pods", "a"), await get(cluster, "pods", "b")];
  const actions = pods.map(({ metadata: { name, uid = "", resourceVersion = "" } }) => {
    return { op: "bind", key: `pods/default/${name}`, node: "n1", uid, expect: resourceVersion };
  }) as readonly Action[];
  const written = { revision: expect.any(Number) };
  expect(await plan(cluster, actions, { replica })).toMatchObject({ results: [written, written] });
});

/** What comes after `hold` is shown only when somebody asks for the end of the log. */
function laggingUntilAsked(real: Store): { store: Store; hold: () => void } {
  let held: (() => void)[] | undefined;
  const instead: Partial<Store> = {
    watch: (prefix, from, handler) =>
      real.watch(prefix, from, {
        ...handler,
        version: (version) => {
          if (held === undefined) handler.version(version);
          else held.push(() => handler.version(version));
        },
      }),
    head: () => {
      for (const show of held?.splice(0) ?? []) show();
      return real.head();
    },
  };
  const store = new Proxy(real, {
    get(target, field) {
      const value: unknown = Reflect.get(instead, field) ?? Reflect.get(target, field);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return {
    store,
    hold: () => {
      held = [];
    },
  };
}

test("two schedulers on two replicas cannot fill a node together", async () => {
  const cluster = await startCluster();
  const other = await startReplica(cluster.runtime, cluster.stores);
  await createNode(cluster, "n1", "1");
  const pods = [await createPod(cluster, "a", "1"), await createPod(cluster, "b", "1")];
  const results = await settled(
    cluster.runtime,
    Promise.all(
      pods.map((pod, index) => {
        const action = {
          op: "bind",
          key: `pods/default/${pod.metadata.name}`,
          node: "n1",
          uid: pod.metadata.uid ?? "",
          expect: pod.metadata.resourceVersion ?? "",
        } as const;
        const engine = index === 0 ? cluster.engine : other.engine;
        const asked = { user: USER, actor: "s", replica: "s", trace: `bind-${index}`, cause: 0 };
        return engine.plan({ ...asked, actions: [action] });
      }),
    ),
  );
  const bound = results.filter((each) => each.outcome === "committed" && each.results[0]?.revision);
  expect(results.map(({ outcome }) => outcome)).toEqual(["committed", "committed"]);
  expect(bound).toHaveLength(1);
});

test("more than a commit can hold is refused", async () => {
  const cluster = await startCluster();
  const actions = Array.from({ length: 1001 }, (_, index) => configMap(`c-${index}`));
  expect(await plan(cluster, actions)).toMatchObject({
    outcome: "refused",
    status: { reason: "BadRequest" },
  });
});
