import { describe, expect, it } from "vitest";
import { pastAuthorizer } from "../../services/apiserver/past/authorizer.ts";
import { PastClock } from "../../services/apiserver/past/clock.ts";
import { Replay } from "../../services/apiserver/past/replay.ts";
import type { AuthorizationAttributes } from "../../services/apiserver/request.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import type { Version } from "../../shared/store/store.ts";

const HEADERS = { actor: "user", replica: "alice", trace: "", cause: 0 };
const VALUE = Buffer.from('{"metadata":{}}');

/** A log with a commit every ten seconds, each of two versions, that ends now. */
async function recorded(runtime: SeededRuntime, commits: number): Promise<MemoryStore> {
  const store = new MemoryStore(runtime);
  for (let index = 0; index < commits; index++) {
    const keys = [`pods/a/${index}`, `pods/b/${index}`];
    await store.commit(
      keys.map((key) => ({ key, value: VALUE })),
      HEADERS,
    );
    await runtime.advance(10_000);
  }
  return store;
}

describe("the clock of a past moment", () => {
  it("stands still until it is started, runs at its speed, and not into the future", async () => {
    const runtime = new SeededRuntime();
    const begun = runtime.clock.now();
    await runtime.advance(100_000);
    const clock = new PastClock(runtime.clock, begun, 10);
    await runtime.advance(1_000);
    expect(clock.now()).toBe(begun);
    expect(clock.until(begun + 1)).toBe(Number.POSITIVE_INFINITY);
    clock.start();
    await runtime.advance(1_000);
    expect(clock.now()).toBe(begun + 10_000);
    expect(clock.until(begun + 30_000)).toBe(2_000);
    await runtime.advance(100_000);
    expect(clock.now()).toBe(runtime.clock.now());
  });

  it("never runs at speed 0", async () => {
    const runtime = new SeededRuntime();
    const clock = new PastClock(runtime.clock, 5, 0);
    clock.start();
    await runtime.advance(1_000);
    expect(clock.now()).toBe(5);
  });
});

describe("a replay", () => {
  async function replaying(from: number, speed: number) {
    const runtime = new SeededRuntime();
    const source = await recorded(runtime, 6);
    const [first] = (await source.list("pods/a/0", from)).versions as [Version];
    const { versions } = await source.list("", from);
    const store = new MemoryStore(runtime, { revision: from, versions });
    const clock = new PastClock(runtime.clock, first.time, speed);
    const errors: unknown[] = [];
    const onError = (error: unknown) => errors.push(error);
    const replay = new Replay({ source, store, from, clock, runtime, onError });
    clock.start();
    replay.start();
    return { runtime, source, store, replay, errors };
  }

  it("writes each commit whole when its time has come", async () => {
    const { runtime, store, errors } = await replaying(2, 10);
    const heads: number[] = [];
    for (let second = 0; second < 6; second++) {
      heads.push(await store.head());
      await runtime.advance(1_000);
    }
    // Ten seconds of then are one of now.
    expect(heads).toEqual([2, 4, 6, 8, 10, 12]);
    expect(errors).toEqual([]);
  });

  it("keeps revisions, times and headers", async () => {
    const { runtime, source, store } = await replaying(2, 100);
    await runtime.advance(10_000);
    // What was there at the beginning is no commit any more.
    const begun = (versions: readonly Version[]) =>
      versions.map((version) => (version.revision <= 2 ? { ...version, more: false } : version));
    for (const at of [5, 12]) {
      const replayed = await store.list("", at);
      const original = await source.list("", at);
      expect(replayed.versions).toEqual(begun(original.versions));
    }
  });

  it("begins within a commit", async () => {
    const { runtime, store } = await replaying(3, 10);
    expect(await store.head()).toBe(3);
    await runtime.advance(1_100);
    expect(await store.head()).toBe(4);
  });

  it("goes on with what comes when it has caught up", async () => {
    const { runtime, source, store, replay } = await replaying(2, 1000);
    await runtime.advance(10_000);
    await source.commit([{ key: "pods/a/new", value: VALUE }], HEADERS);
    await runtime.advance(2_000);
    expect(await store.head()).toBe(13);
    replay.stop();
    await source.commit([{ key: "pods/a/later", value: VALUE }], HEADERS);
    await runtime.advance(2_000);
    expect(await store.head()).toBe(13);
  });

  it("says so when the log has forgotten what comes next", async () => {
    const { runtime, source, errors } = await replaying(2, 10);
    await source.compact(12);
    await runtime.advance(20_000);
    expect(errors).toEqual([]); // it was read ahead
    const behind = await replaying(2, 0);
    await behind.source.compact(12);
    const clock = new PastClock(behind.runtime.clock, 0, 1);
    const { runtime: late, source: forgotten, store } = behind;
    const found: unknown[] = [];
    const onError = (error: unknown) => found.push(error);
    new Replay({ source: forgotten, store, from: 2, clock, runtime: late, onError }).start();
    await late.advance(1_000);
    expect(String(found[0])).toContain("revision 2 has been compacted");
  });
});

describe("who asks a past moment", () => {
  const ask = (attributes: Partial<AuthorizationAttributes>) =>
    pastAuthorizer(() => "revision 7 (then)").authorize({
      user: { username: "admin", groups: ["system:masters"] },
      verb: "get",
      group: "",
      resource: "pods",
      subresource: "",
      namespace: "default",
      name: "",
      ...attributes,
    });

  it.each(["get", "list", "watch"])("may %s", (verb) => {
    expect(ask({ verb })).toEqual({ allowed: true, reason: "" });
  });

  it.each(["create", "update", "patch", "delete", "deletecollection"])("may not %s", (verb) => {
    const reason = "this server shows revision 7 (then), and takes no changes";
    expect(ask({ verb })).toEqual({ allowed: false, reason });
  });

  it("gets nothing from nodes, answers about rights, and must be the administrator", () => {
    expect(ask({ subresource: "log" }).reason).toContain("only running nodes can answer");
    expect(ask({ verb: "create", subresource: "exec" }).allowed).toBe(false);
    expect(ask({ verb: "create", group: "authorization.k8s.io" }).allowed).toBe(true);
    expect(ask({ path: "/version" }).allowed).toBe(true);
    expect(ask({ path: "/metrics", verb: "post" }).allowed).toBe(false);
    const user = { username: "somebody", groups: ["system:authenticated"] };
    expect(ask({ user }).reason).toContain("to its administrator alone");
  });
});
