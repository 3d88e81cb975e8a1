import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Cluster,
  collect,
  type Replica,
  requestOf,
  settled,
  startCluster,
  startReplica,
} from "./harness.ts";

const NAMESPACE = "default";
const COUNTER = { resource: "configmaps", namespace: NAMESPACE, name: "counter" } as const;

async function ask(replica: Replica, call: Parameters<typeof requestOf>[0]) {
  const answer = await replica.engine.handle(requestOf(call));
  if (answer.type === "watch") throw new Error("a watch");
  return { code: answer.code, body: JSON.parse(Buffer.concat(answer.body).toString()) };
}

/** Adds one to the counter by optimistic concurrency, as a client does. */
async function increment(replica: Replica): Promise<void> {
  for (;;) {
    const { body } = await ask(replica, { ...COUNTER, verb: "get" });
    body.data = { count: String(Number(body.data.count) + 1) };
    const { code } = await ask(replica, { ...COUNTER, verb: "update", body });
    if (code === 200) return;
    expect(code).toBe(409);
  }
}

/** Sets a field of its own by a patch that states no version: never refused. */
async function mark(replica: Replica, name: string): Promise<void> {
  const contentType = "application/merge-patch+json";
  const body = { metadata: { annotations: { [name]: "yes" } } };
  const call = { ...COUNTER, verb: "patch", contentType, body } as const;
  expect((await ask(replica, call)).code).toBe(200);
}

test("concurrent writers through two engines never lose an update", async () => {
  const writers = fc.array(fc.record({ replica: fc.nat(1), patch: fc.boolean() }), {
    minLength: 2,
    maxLength: 24,
  });
  await fc.assert(
    fc.asyncProperty(writers, fc.nat(), async (all, seed) => {
      const cluster = await startCluster({ seed });
      const replicas = [cluster, await startReplica(cluster.runtime, cluster.stores)];
      const body = { metadata: { name: "counter" }, data: { count: "0" } };
      const { resource, namespace } = COUNTER;
      await cluster.call({ verb: "create", resource, namespace, body });
      const work = all.map(({ replica, patch }, index) => {
        const chosen = replicas[replica] as Replica;
        return patch ? mark(chosen, `m${index}`) : increment(chosen);
      });
      await settled(cluster.runtime, Promise.all(work));
      const { body: end } = await cluster.call({ ...COUNTER, verb: "get" });
      const marks = Object.keys(end.metadata.annotations ?? {});
      expect(Number(end.data.count)).toBe(all.filter(({ patch }) => !patch).length);
      expect(marks).toHaveLength(all.filter(({ patch }) => patch).length);
    }),
    { numRuns: 25 },
  );
});

test("no address and no node port is given out twice by two engines", async () => {
  const cluster = await startCluster();
  const replicas = [cluster, await startReplica(cluster.runtime, cluster.stores)];
  const work = Array.from({ length: 60 }, (_, index) => {
    const spec = { type: "NodePort", ports: [{ port: 80 }], selector: { a: "b" } };
    const body = { metadata: { name: `s-${index}` }, spec };
    const call = { verb: "create", resource: "services", namespace: NAMESPACE, body } as const;
    return ask(replicas[index % 2] as Replica, call);
  });
  const answers = await settled(cluster.runtime, Promise.all(work));
  expect(answers.every(({ code }) => code === 201)).toBe(true);
  const addresses = new Set(answers.map(({ body }) => body.spec.clusterIP));
  const ports = new Set(answers.map(({ body }) => body.spec.ports[0].nodePort));
  expect([addresses.size, ports.size]).toEqual([60, 60]);
});

test("a name is created once, whoever asks at the same time", async () => {
  const cluster = await startCluster();
  const replicas = [cluster, await startReplica(cluster.runtime, cluster.stores)];
  const body = { metadata: { name: "one" } };
  const call = { verb: "create", resource: "configmaps", namespace: NAMESPACE, body } as const;
  const work = Array.from({ length: 10 }, (_, index) => ask(replicas[index % 2] as Replica, call));
  const codes = (await settled(cluster.runtime, Promise.all(work))).map(({ code }) => code);
  expect(codes.filter((code) => code === 201)).toHaveLength(1);
  expect(codes.filter((code) => code === 409)).toHaveLength(9);
});

test("a watch sees each revision once, in order, from wherever it begins", async () => {
  const step = fc.record({
    name: fc.constantFrom("a", "b", "c"),
    what: fc.constantFrom("put", "delete"),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.nat(), async (steps, at) => {
      const cluster = await startCluster();
      const other = await startReplica(cluster.runtime, cluster.stores);
      const begin = cluster.projections.cluster.revision;
      const middle = steps.length === 0 ? 0 : at % steps.length;
      const revisions: (string | undefined)[] = [];
      let late: ReturnType<typeof collect> | undefined;
      for (const [index, { name, what }] of steps.entries()) {
        if (index === middle) late = await watchFrom(cluster, other, begin);
        const { resource, namespace } = COUNTER;
        const data = { n: String(index) };
        const body = { metadata: { name }, data };
        const call = { resource, namespace, name } as const;
        const verb = what === "delete" ? "delete" : "update";
        const answer = await cluster.call({ ...call, verb, ...(what === "put" ? { body } : {}) });
        if (answer.code === 404 && what === "put") {
          const made = await cluster.call({ resource, namespace, verb: "create", body });
          revisions.push(made.body.metadata.resourceVersion);
        } else if (answer.code === 200 && what === "put") {
          revisions.push(answer.body.metadata.resourceVersion);
        } else if (answer.code === 200) {
          revisions.push(String(cluster.projections.cluster.revision));
        }
      }
      await cluster.runtime.advance(100);
      const told = late?.events.map(({ object }) => object.metadata.resourceVersion) ?? [];
      expect(told).toEqual(revisions);
    }),
    { numRuns: 30 },
  );
});

async function watchFrom(cluster: Cluster, replica: Replica, revision: number) {
  const query = { resourceVersion: String(revision) };
  const { resource, namespace } = COUNTER;
  const request = requestOf({ verb: "watch", resource, namespace, query });
  const answer = await settled(cluster.runtime, replica.engine.handle(request));
  if (answer.type !== "watch") throw new Error("no watch");
  return collect(answer);
}
