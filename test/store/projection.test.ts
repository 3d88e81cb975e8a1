import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseKey } from "../../shared/api/key.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import { Projection } from "../../shared/store/projection.ts";
import {
  CompactedError,
  FutureRevisionError,
  type Key,
  UnavailableError,
  type Version,
  type Watch,
  type WatchHandler,
} from "../../shared/store/store.ts";
import type { Change, Entry, View } from "../../shared/store/view.ts";
import { HEADERS, testRuntime } from "./harness.ts";

interface Model {
  readonly labels: Record<string, string>;
  readonly owner: string | undefined;
  readonly node: string;
}

function encode(key: Key, { labels, owner, node }: Model): Buffer {
  const { resource, namespace, name } = parseKey(key);
  const metadata = {
    name,
    ...(namespace ? { namespace } : {}),
    labels,
    ...(owner ? { ownerReferences: [referenceTo(owner)] } : {}),
  };
  return Buffer.from(
    JSON.stringify({ kind: resource, apiVersion: "v1", metadata, spec: { nodeName: node } }),
  );
}

/** u1 controls what it owns, u2 does not. */
function referenceTo(uid: string): object {
  return { apiVersion: "v1", kind: "X", name: "o", uid, controller: uid === "u1" };
}

const keys = ["pods/a/x", "pods/a/y", "pods/a-b/x", "pods/b/z", "sets.apps/a/s", "nodes/_/n"];
const model: fc.Arbitrary<Model> = fc.record({
  labels: fc.dictionary(fc.constantFrom("app", "tier"), fc.constantFrom("1", "2"), { maxKeys: 2 }),
  owner: fc.constantFrom(undefined, "u1", "u2"),
  node: fc.constantFrom("", "n1", "n2"),
});
const commits = fc.array(
  fc.uniqueArray(fc.tuple(fc.constantFrom(...keys), fc.option(model, { freq: 3 })), {
    minLength: 1,
    maxLength: 4,
    selector: ([key]) => key,
  }),
  { maxLength: 25 },
);
const labelQueries: Record<string, string>[] = [{}, { app: "1" }, { app: "1", tier: "2" }];
type Commits = typeof commits extends fc.Arbitrary<infer Value> ? Value : never;

async function write(store: MemoryStore, history: Commits): Promise<void> {
  for (const commit of history) {
    const writes = commit.map(([key, each]) => ({ key, value: each ? encode(key, each) : null }));
    await store.commit(writes, HEADERS);
  }
}

/** What a view shows, in a form that compares well. */
function shown(entries: readonly Entry[]): string[] {
  return entries.map((entry) => `${entry.key}@${entry.revision} ${entry.bytes}`);
}

/** What a projection must show of a version of the log: resourceVersion in its place. */
function wanted(versions: readonly Version[]): string[] {
  return versions.map(({ key, revision, value }) => {
    const object = JSON.parse(String(value)) as KubernetesObject;
    const metadata = { resourceVersion: String(revision), ...object.metadata };
    return `${key}@${revision} ${JSON.stringify({ ...object, metadata })}`;
  });
}

async function followed(store: MemoryStore, options = {}): Promise<Projection> {
  const projection = new Projection({ runtime: testRuntime, ...options });
  await projection.follow(store);
  return projection;
}

describe("a projection", () => {
  it("shows at every revision what the log holds there", async () => {
    await fc.assert(
      fc.asyncProperty(commits, commits, async (before, after) => {
        const store = new MemoryStore(testRuntime);
        await write(store, before);
        const projection = await followed(store);
        const start = projection.revision;
        await write(store, after);
        const head = await store.head();
        await projection.waitFor(head, 1_000);
        expect(projection.oldest).toBe(start);
        for (let revision = start; revision <= head; revision += 1) {
          const view: View = revision === head ? projection : projection.at(revision);
          for (const [resource, namespace] of [["pods"], ["pods", "a"], ["nodes"]] as const) {
            const prefix = namespace ? `${resource}/${namespace}/` : `${resource}/`;
            const { versions } = await store.list(prefix, revision);
            expect(shown(view.list(resource, namespace))).toEqual(wanted(versions));
            for (const key of keys) {
              const version = await store.get(key, revision);
              expect(view.get(key)?.revision).toBe(version?.revision);
            }
          }
        }
        expect(() => projection.at(head + 1)).toThrow(FutureRevisionError);
        if (start > 0) expect(() => projection.at(start - 1)).toThrow(CompactedError);
        projection.stop();
      }),
      { numRuns: 100 },
    );
  });

  it("answers from its indexes as from the whole state", async () => {
    await fc.assert(
      fc.asyncProperty(commits, commits, async (before, after) => {
        const store = new MemoryStore(testRuntime);
        await write(store, before);
        const projection = await followed(store);
        const check = (): void => {
          const pods = projection.list("pods");
          const where = (filter: (object: KubernetesObject) => boolean): string[] =>
            shown(pods.filter((entry) => filter(entry.object)));
          for (const uid of ["u1", "u2", "u3"]) {
            expect(shown(projection.ownedBy("pods", uid))).toEqual(
              where((object) => object.metadata.ownerReferences?.[0]?.uid === uid),
            );
          }
          for (const node of ["n1", "n2"]) {
            expect(shown(projection.onNode(node))).toEqual(
              where((object) => object["spec"].nodeName === node),
            );
          }
          for (const labels of labelQueries) {
            expect(shown(projection.uncontrolled("pods", "a", labels))).toEqual(
              where(
                ({ metadata }) =>
                  metadata.namespace === "a" &&
                  metadata.ownerReferences?.[0]?.uid !== "u1" &&
                  Object.entries(labels).every(([key, each]) => metadata.labels?.[key] === each),
              ),
            );
            for (const namespace of [undefined, "a", "none"]) {
              expect(shown(projection.labelled("pods", namespace, labels))).toEqual(
                where(
                  ({ metadata }) =>
                    (namespace === undefined || metadata.namespace === namespace) &&
                    Object.entries(labels).every(([key, each]) => metadata.labels?.[key] === each),
                ),
              );
            }
          }
        };
        check();
        for (const commit of after) {
          await write(store, [commit]);
          await projection.waitFor(await store.head(), 1_000);
          check();
        }
        projection.stop();
      }),
      { numRuns: 100 },
    );
  });

  it("finds what has no controller among many by their labels", async () => {
    const store = new MemoryStore(testRuntime);
    const bare = { labels: { app: "1" }, owner: undefined, node: "" };
    for (let index = 0; index < 200; index++) {
      const model = index === 0 ? { ...bare, labels: { app: "2" } } : bare;
      await write(store, [[[`pods/a/p-${index}`, model]]]);
    }
    await write(store, [[["pods/a/owned", { ...bare, labels: { app: "2" }, owner: "u1" }]]]);
    const projection = await followed(store);
    expect(shown(projection.uncontrolled("pods", "a", { app: "2" }))).toEqual(
      shown(projection.list("pods").filter(({ key }) => key === "pods/a/p-0")),
    );
    expect(projection.uncontrolled("pods", "a", { app: "1" })).toHaveLength(199);
    projection.stop();
  });

  it("tells subscribers each change once, in order, whole commits at a time", async () => {
    await fc.assert(
      fc.asyncProperty(commits, commits, async (before, after) => {
        const store = new MemoryStore(testRuntime);
        await write(store, before);
        const projection = await followed(store);
        const state = new Map(projection.list("pods").map((entry) => [entry.key, entry]));
        const start = projection.revision;
        const changes: Change[] = [];
        const ends = after.map((_, index) =>
          after.slice(0, index + 1).reduce((end, commit) => end + commit.length, start),
        );
        projection.subscribe("pods", (change) => {
          // Nobody ever sees a part of a commit.
          expect(ends).toContain(projection.revision);
          expect(projection.revision).toBeGreaterThanOrEqual(change.revision);
          expect(change.old).toBe(state.get(change.entry.key));
          expect(change.entry.revision).toBe(change.revision);
          expect(change.entry.object.metadata.resourceVersion).toBe(String(change.revision));
          if (change.type === "DELETED") state.delete(change.entry.key);
          else state.set(change.entry.key, change.entry);
          changes.push(change);
        });
        await write(store, after);
        await projection.waitFor(await store.head(), 1_000);
        expect(shown([...state.values()])).toEqual(
          expect.arrayContaining(shown(projection.list("pods"))),
        );
        expect(state.size).toBe(projection.list("pods").length);
        // A watch that resumes at any point gets exactly the rest.
        for (let revision = start; revision <= projection.revision; revision += 1) {
          expect(projection.changesSince(revision, "pods")).toEqual(
            changes.filter((change) => change.revision > revision),
          );
        }
        projection.stop();
      }),
      { numRuns: 100 },
    );
  });

  it("keeps its window within the limits", async () => {
    const store = new MemoryStore(testRuntime);
    const projection = await followed(store, { windowChanges: 10 });
    const one = { labels: {}, owner: undefined, node: "" };
    for (let round = 0; round < 30; round += 1) await write(store, [[["pods/a/x", one]]]);
    await projection.waitFor(30, 1_000);
    expect(projection.oldest).toBe(20);
    expect(projection.changesSince(20, "pods")).toHaveLength(10);
    expect(() => projection.changesSince(19, "pods")).toThrow(CompactedError);
    expect(projection.at(20).get("pods/a/x")?.revision).toBe(20);
    expect(() => projection.at(19)).toThrow(CompactedError);
  });

  it("forgets changes after the time of its window", async () => {
    let now = 0;
    const clock = { now: () => now, monotonic: () => now };
    const store = new MemoryStore(testRuntime);
    const projection = new Projection({ runtime: { ...testRuntime, clock }, windowMs: 1_000 });
    await projection.follow(store);
    const one = { labels: {}, owner: undefined, node: "" };
    for (const time of [0, 500, 1_400, 1_600]) {
      now = time;
      await write(store, [[["pods/a/x", one]]]);
      await projection.waitFor(await store.head(), 1_000);
    }
    expect(projection.oldest).toBe(2);
  });

  it("hands out lists and objects that never change", async () => {
    const store = new MemoryStore(testRuntime);
    const one = { labels: { app: "1" }, owner: undefined, node: "n1" };
    await write(store, [
      [
        ["pods/a/x", one],
        ["pods/a/y", one],
      ],
    ]);
    const projection = await followed(store);
    const lists = [projection.list("pods"), projection.list("pods", "a"), projection.onNode("n1")];
    const before = lists.map(shown);
    const pod = projection.get("pods/a/x")?.object as KubernetesObject;
    expect(() => {
      (pod.metadata.labels as Record<string, string>)["app"] = "2";
    }).toThrow(TypeError);
    await write(store, [[["pods/a/x", null]], [["pods/a/w", one]], [["pods/a/y", one]]]);
    await projection.waitFor(await store.head(), 1_000);
    expect(lists.map(shown)).toEqual(before);
    expect(projection.list("pods").map((entry) => entry.name)).toEqual(["w", "y"]);
  });

  it("finds the metadata of any object, however it is written", async () => {
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string(), fc.string()), fc.json(), async (labels, data) => {
        const store = new MemoryStore(testRuntime);
        const metadata = { annotations: { data, '"}{\\': '"metadata":{' }, labels, name: "x" };
        const object = { kind: "X", apiVersion: "v1", metadata, data };
        const bytes = Buffer.from(JSON.stringify(object));
        await store.commit([{ key: "xs/a/x", value: bytes }], HEADERS);
        const projection = await followed(store);
        for (const [name, label] of Object.entries(labels)) {
          expect(projection.labelled("xs", "a", { [name]: label })).toHaveLength(1);
        }
        expect(projection.labelled("xs", "a", { "\u0000": "none" })).toHaveLength(0);
        const resourceVersion = { resourceVersion: "1" };
        expect(projection.get("xs/a/x")?.object).toEqual({
          ...object,
          metadata: { ...metadata, ...resourceVersion },
        });
        projection.stop();
      }),
    );
  });

  it("waits for a revision, and not for ever", async () => {
    const store = new MemoryStore(testRuntime);
    const projection = await followed(store);
    const waiting = projection.waitFor(2, 1_000);
    const one = { labels: {}, owner: undefined, node: "" };
    await write(store, [[["pods/a/x", one]], [["pods/a/x", one]]]);
    await waiting;
    await expect(projection.waitFor(3, 5)).rejects.toBeInstanceOf(UnavailableError);
    const stopped = projection.waitFor(3, 1_000);
    projection.stop();
    await expect(stopped).rejects.toBeInstanceOf(UnavailableError);
  });

  it("takes a new snapshot when it fell behind, and tells the difference", async () => {
    const store = new MemoryStore(testRuntime);
    let handler: WatchHandler | undefined;
    const lossy = {
      watch: (prefix: string, from: number | "snapshot", inner: WatchHandler): Watch => {
        handler = inner;
        return store.watch(prefix, from, inner);
      },
    };
    const after = (_: number, run: () => void): (() => void) => {
      queueMicrotask(run);
      return () => {};
    };
    const runtime = { ...testRuntime, timers: { ...testRuntime.timers, after } };
    const one = { labels: {}, owner: undefined, node: "" };
    await write(store, [
      [
        ["pods/a/x", one],
        ["pods/a/y", one],
        ["pods/a/z", one],
      ],
    ]);
    const projection = new Projection({ runtime });
    const changes: string[] = [];
    projection.subscribe(undefined, ({ type, entry }) => changes.push(`${type} ${entry.key}`));
    let watching = true;
    await projection.follow({
      watch: (prefix, from, inner) =>
        lossy.watch(prefix, from, {
          version: (version) => watching && inner.version(version),
          caughtUp: (revision) => inner.caughtUp?.(revision),
          failed: (error) => inner.failed(error),
        }),
    });
    expect(changes).toEqual(["ADDED pods/a/x", "ADDED pods/a/y", "ADDED pods/a/z"]);
    changes.length = 0;
    watching = false;
    await write(store, [[["pods/a/x", null]], [["pods/a/y", one]], [["pods/a/w", one]]]);
    await Promise.resolve();
    watching = true;
    handler?.failed(new CompactedError(3, 6));
    await new Promise((resolve) => setImmediate(resolve));
    expect(changes).toEqual(["MODIFIED pods/a/y", "ADDED pods/a/w", "DELETED pods/a/x"]);
    expect(projection.revision).toBe(6);
    expect(projection.oldest).toBe(6);
    projection.stop();
  });
});
