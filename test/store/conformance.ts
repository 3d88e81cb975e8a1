import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MemoryStore } from "../../shared/store/memory.ts";
import {
  CompactedError,
  ConflictError,
  FutureRevisionError,
  InvalidWriteError,
  type Store,
  TooLargeError,
  UnavailableError,
  VALUE_BYTES_MAX,
  type Write,
} from "../../shared/store/store.ts";
import { HEADERS, Recorder, testRuntime, value } from "./harness.ts";
import { compare, step } from "./random.ts";

/** What every store promises. `open` gives an empty one each time, whose log starts at 1. */
export function storeConformance(name: string, open: () => Promise<Store>, runs: number): void {
  describe(name, () => {
    let store: Store;
    beforeEach(async () => {
      store = await open();
    });
    afterEach(async () => {
      await store.close();
    });
    const put = async (key: string, text: string, expect?: number): Promise<number> => {
      const write = { key, value: value(text), ...(expect === undefined ? {} : { expect }) };
      const [revision] = await store.commit([write], HEADERS);
      return revision ?? 0;
    };
    const remove = async (key: string, expect?: number): Promise<number> => {
      const write = { key, value: null, ...(expect === undefined ? {} : { expect }) };
      const [revision] = await store.commit([write], HEADERS);
      return revision ?? 0;
    };

    describe("commit", () => {
      it("gives consecutive revisions from 1", async () => {
        expect(await put("pods/a/x", "1", 0)).toBe(1);
        expect(await put("pods/a/y", "1", 0)).toBe(2);
        const writes = ["p", "q", "r"].map((each) => ({
          key: `pods/a/${each}`,
          value: value(each),
          expect: 0,
        }));
        expect(await store.commit(writes, HEADERS)).toEqual([3, 4, 5]);
        expect(await store.head()).toBe(5);
      });

      it("creates only what does not exist", async () => {
        await put("pods/a/x", "1", 0);
        await expect(put("pods/a/x", "2", 0)).rejects.toMatchObject({
          key: "pods/a/x",
          expected: 0,
          actual: 1,
        });
        await expect(put("pods/a/x", "2", 0)).rejects.toBeInstanceOf(ConflictError);
      });

      it("replaces only the expected version", async () => {
        const first = await put("pods/a/x", "1", 0);
        const second = await put("pods/a/x", "2", first);
        await expect(put("pods/a/x", "3", first)).rejects.toMatchObject({ actual: second });
        await expect(put("pods/a/y", "3", first)).rejects.toMatchObject({ actual: 0 });
        expect((await store.get("pods/a/x"))?.value?.toString()).toBe("2");
      });

      it("deletes, and creates again what was deleted", async () => {
        const first = await put("pods/a/x", "1", 0);
        await expect(remove("pods/a/x", first + 1)).rejects.toBeInstanceOf(ConflictError);
        await remove("pods/a/x", first);
        expect(await store.get("pods/a/x")).toBeUndefined();
        await expect(put("pods/a/x", "2", first)).rejects.toMatchObject({ actual: 0 });
        const third = await put("pods/a/x", "2", 0);
        expect((await store.get("pods/a/x"))?.revision).toBe(third);
      });

      it("writes unconditionally when nothing is expected", async () => {
        await put("pods/a/x", "1");
        await put("pods/a/x", "2");
        expect((await store.get("pods/a/x"))?.value?.toString()).toBe("2");
        await remove("pods/a/never");
        expect(await store.head()).toBe(3);
      });

      it("writes all or nothing", async () => {
        await put("pods/a/x", "1", 0);
        const writes: Write[] = [
          { key: "pods/a/y", value: value("1"), expect: 0 },
          { key: "pods/a/x", value: value("2"), expect: 7 },
          { key: "pods/a/z", value: value("1"), expect: 0 },
        ];
        await expect(store.commit(writes, HEADERS)).rejects.toMatchObject({
          key: "pods/a/x",
          expected: 7,
          actual: 1,
        });
        expect((await store.list("")).versions.map((version) => version.key)).toEqual(["pods/a/x"]);
        expect(await store.head()).toBe(1);
      });

      it("refuses writes that contradict the contract", async () => {
        const twice = [
          { key: "pods/a/x", value: value("1") },
          { key: "pods/a/x", value: value("2") },
        ];
        const many = Array.from({ length: 1001 }, (_, index) => ({
          key: `pods/a/${index}`,
          value: value("1"),
        }));
        const contrary = [{ key: "pods/a/x", value: null, expect: 0 }];
        for (const writes of [[], twice, many, contrary]) {
          await expect(store.commit(writes, HEADERS)).rejects.toBeInstanceOf(InvalidWriteError);
        }
        const large = [{ key: "pods/a/x", value: Buffer.alloc(VALUE_BYTES_MAX + 1) }];
        await expect(store.commit(large, HEADERS)).rejects.toBeInstanceOf(TooLargeError);
        expect(await store.head()).toBe(0);
      });

      it("takes a thousand writes and the largest value", async () => {
        const many = Array.from({ length: 1000 }, (_, index) => ({
          key: `pods/a/p-${index}`,
          value: value(`${index}`),
          expect: 0,
        }));
        const revisions = await store.commit(many, HEADERS);
        expect([revisions[0], revisions[999]]).toEqual([1, 1000]);
        await store.commit(
          [{ key: "secrets/a/big", value: Buffer.alloc(VALUE_BYTES_MAX, 7) }],
          HEADERS,
        );
        const big = await store.get("secrets/a/big");
        expect(big?.value?.length).toBe(VALUE_BYTES_MAX);
        expect((await store.list("pods/a/")).versions).toHaveLength(1000);
        expect((await store.list("pods/a/", 600)).versions).toHaveLength(600);
      });

      it("lets one of many racing writers win", async () => {
        await put("pods/a/x", "0", 0);
        const attempts = Array.from({ length: 40 }, (_, index) => put("pods/a/x", `${index}`, 1));
        const results = await Promise.allSettled(attempts);
        const won = results.filter((result) => result.status === "fulfilled");
        const lost = results.filter((result) => result.status === "rejected");
        expect(won).toHaveLength(1);
        for (const result of lost) expect(result.reason).toBeInstanceOf(ConflictError);
        const creations = Array.from({ length: 40 }, () => put("pods/a/new", "1", 0));
        const created = await Promise.allSettled(creations);
        expect(created.filter((result) => result.status === "fulfilled")).toHaveLength(1);
      });

      it("keeps the order in which commits of a key were given", async () => {
        const writes = Array.from({ length: 100 }, (_, index) => put("pods/a/x", `${index}`));
        const revisions = await Promise.all(writes);
        expect(revisions).toEqual(revisions.toSorted((a, b) => a - b));
        expect((await store.get("pods/a/x"))?.value?.toString()).toBe("99");
      });

      it("a refused commit does not harm those that are under way with it", async () => {
        await put("pods/a/x", "1", 0);
        const attempts = Array.from({ length: 30 }, (_, index) =>
          index % 3 === 0 ? put(`pods/a/none-${index}`, "1", 99) : put(`pods/a/n-${index}`, "1", 0),
        );
        const results = await Promise.allSettled(attempts);
        for (const [index, result] of results.entries()) {
          expect(result.status).toBe(index % 3 === 0 ? "rejected" : "fulfilled");
        }
        expect((await store.list("pods/a/")).versions).toHaveLength(21);
      });
    });

    describe("reading", () => {
      it("keeps keys, headers and times", async () => {
        const headers = {
          actor: "user",
          replica: "jane doe, 50 % \u00fc\n",
          trace: "01J",
          cause: 7,
        };
        const key = "clusterroles.rbac.authorization.k8s.io/_/system:node.1";
        const before = Date.now();
        await store.commit([{ key, value: value("{}"), expect: 0 }], headers);
        const version = await store.get(key);
        expect(version).toMatchObject({ key, revision: 1, headers });
        expect(version?.time).toBeGreaterThanOrEqual(before - 1000);
        expect(version?.time).toBeLessThanOrEqual(Date.now() + 1000);
        expect((await store.list("clusterroles.rbac.authorization.k8s.io/_/")).versions).toEqual([
          version,
        ]);
      });

      it("reads any revision", async () => {
        await put("pods/a/x", "1", 0);
        await put("pods/b/y", "1", 0);
        await put("pods/a/x", "2", 1);
        await remove("pods/b/y", 2);
        await put("pods/b/y", "3", 0);
        const texts = async (at: number): Promise<string[]> =>
          (await store.list("pods/", at)).versions.map(
            (version) => `${version.key}=${version.value}`,
          );
        expect(await texts(0)).toEqual([]);
        expect(await texts(1)).toEqual(["pods/a/x=1"]);
        expect(await texts(2)).toEqual(["pods/a/x=1", "pods/b/y=1"]);
        expect(await texts(3)).toEqual(["pods/a/x=2", "pods/b/y=1"]);
        expect(await texts(4)).toEqual(["pods/a/x=2"]);
        expect(await texts(5)).toEqual(["pods/a/x=2", "pods/b/y=3"]);
        expect((await store.get("pods/a/x", 2))?.value?.toString()).toBe("1");
        expect(await store.get("pods/b/y", 4)).toBeUndefined();
        await expect(store.get("pods/a/x", 6)).rejects.toBeInstanceOf(FutureRevisionError);
        await expect(store.list("", 6)).rejects.toBeInstanceOf(FutureRevisionError);
      });

      it("lists by prefix, in key order", async () => {
        const keys = ["pods/a-b/x", "pods/a/x", "pods/a/w", "podsets/a/x", "pods.x.io/a/x"];
        for (const key of keys) await put(key, key, 0);
        const listed = async (prefix: string): Promise<string[]> =>
          (await store.list(prefix)).versions.map((version) => version.key);
        expect(await listed("")).toEqual(keys.toSorted());
        expect(await listed("pods/")).toEqual(["pods/a-b/x", "pods/a/w", "pods/a/x"]);
        expect(await listed("pods/a/")).toEqual(["pods/a/w", "pods/a/x"]);
        expect(await listed("pods.x.io/")).toEqual(["pods.x.io/a/x"]);
        expect(await listed("nodes/")).toEqual([]);
      });
    });

    describe("watch", () => {
      it("delivers a snapshot of what lives, then all that follows", async () => {
        await put("pods/a/x", "1", 0);
        await put("pods/a/y", "1", 0);
        await put("pods/a/x", "2", 1);
        await remove("pods/a/y", 2);
        const recorder = new Recorder();
        store.watch("", "snapshot", recorder);
        await recorder.until(({ caughtUpAt }) => caughtUpAt !== undefined);
        expect(recorder.versions.map((version) => version.revision)).toEqual([3]);
        expect(recorder.caughtUpAt).toBe(4);
        await put("pods/a/z", "1", 0);
        await remove("pods/a/x", 3);
        await recorder.until(({ versions }) => versions.length === 3);
        expect(recorder.versions.map(({ revision, value }) => [revision, value])).toEqual([
          [3, value("2")],
          [5, value("1")],
          [6, null],
        ]);
      });

      it("of an empty log is caught up at once", async () => {
        const recorder = new Recorder();
        store.watch("", "snapshot", recorder);
        await recorder.until(({ caughtUpAt }) => caughtUpAt === 0);
      });

      it("resumes behind a revision, and keeps to its prefix", async () => {
        for (const each of ["1", "2", "3", "4"]) {
          await put("pods/a/x", each);
          await put("nodes/_/n", each);
        }
        const recorder = new Recorder();
        store.watch("pods/", 3, recorder);
        await recorder.until(({ caughtUpAt }) => caughtUpAt !== undefined);
        expect(recorder.versions.map((version) => version.revision)).toEqual([5, 7]);
        expect(recorder.caughtUpAt).toBe(8);
      });

      it("marks commits of several writes, also when the prefix cuts them", async () => {
        const all = new Recorder();
        const pods = new Recorder();
        const told: string[] = [];
        store.watch("", "snapshot", all);
        store.watch("pods/", "snapshot", pods);
        store.watch("", "snapshot", {
          ahead: ({ revision }) => told.push(`ahead ${revision}`),
          version: ({ revision }) => told.push(`version ${revision}`),
          failed: () => undefined,
        });
        await all.until(({ caughtUpAt }) => caughtUpAt !== undefined);
        await pods.until(({ caughtUpAt }) => caughtUpAt !== undefined);
        const keys = ["pods/a/x", "nodes/_/n", "pods/a/y", "nodes/_/m"];
        await store.commit(
          keys.map((key) => ({ key, value: value("1") })),
          HEADERS,
        );
        await put("pods/a/z", "1");
        await all.until(({ versions }) => versions.length === 5);
        await pods.until(({ versions }) => versions.length === 3);
        expect(all.versions.map(({ more }) => more)).toEqual([true, true, true, false, false]);
        expect(pods.versions.map(({ more }) => more)).toEqual([true, false, false]);
        const early = ["ahead 1", "ahead 2", "ahead 3"];
        expect(told.slice(0, 7)).toEqual([...early, ...[1, 2, 3, 4].map((n) => `version ${n}`)]);
      });

      it("does not deliver after stop", async () => {
        const recorder = new Recorder();
        const other = new Recorder();
        const watch = store.watch("", "snapshot", recorder);
        store.watch("", "snapshot", other);
        await recorder.until(({ caughtUpAt }) => caughtUpAt !== undefined);
        watch.stop();
        await put("pods/a/x", "1");
        await other.until(({ versions }) => versions.length === 1);
        expect(recorder.versions).toEqual([]);
      });

      it("fails from a revision that is not there yet", async () => {
        const recorder = new Recorder();
        store.watch("", 5, recorder);
        await recorder.until(({ error }) => error !== undefined);
        expect(recorder.error).toBeInstanceOf(FutureRevisionError);
      });
    });

    describe("revisionBefore", () => {
      it("is the last revision that the log took before a moment", async () => {
        expect(await store.revisionBefore(Date.UTC(2100, 0))).toBe(0);
        await put("pods/a/x", "1", 0);
        const second = await put("pods/a/y", "1", 0);
        expect(await store.revisionBefore(0)).toBe(0);
        expect(await store.revisionBefore(Date.UTC(2100, 0))).toBe(second);
        const time = (await store.get("pods/a/y"))?.time ?? 0;
        expect(await store.revisionBefore(time + 1)).toBe(second);
        expect(await store.revisionBefore(time)).toBeLessThan(second);
      });
    });

    describe("compact", () => {
      it("forgets what was replaced or deleted, and keeps what lives", async () => {
        await put("pods/a/x", "1", 0);
        await put("pods/a/y", "1", 0);
        await put("pods/a/x", "2", 1);
        await remove("pods/a/y", 2);
        await put("pods/a/x", "3", 3);
        await store.compact(4);
        await expect(store.list("", 3)).rejects.toMatchObject({ asked: 3, oldest: 4 });
        await expect(store.get("pods/a/x", 3)).rejects.toBeInstanceOf(CompactedError);
        expect((await store.get("pods/a/x", 4))?.value?.toString()).toBe("2");
        expect((await store.get("pods/a/x"))?.value?.toString()).toBe("3");
        const recorder = new Recorder();
        store.watch("", 3, recorder);
        await recorder.until(({ error }) => error !== undefined);
        expect(recorder.error).toBeInstanceOf(CompactedError);
        const behind = new Recorder();
        store.watch("", 4, behind);
        await behind.until(({ caughtUpAt }) => caughtUpAt !== undefined);
        expect(behind.versions.map((version) => version.revision)).toEqual([5]);
      });

      it("lets a deleted key be created again, and goes back never", async () => {
        await put("pods/a/x", "1", 0);
        await remove("pods/a/x", 1);
        await store.compact(2);
        await store.compact(1);
        await expect(store.list("", 1)).rejects.toBeInstanceOf(CompactedError);
        expect(await store.head()).toBe(2);
        expect(await put("pods/a/x", "2", 0)).toBe(3);
        await expect(store.compact(4)).rejects.toBeInstanceOf(FutureRevisionError);
      });
    });

    it("refuses everything after close", async () => {
      await put("pods/a/x", "1", 0);
      await store.close();
      await expect(put("pods/a/y", "1", 0)).rejects.toBeInstanceOf(UnavailableError);
      await expect(store.get("pods/a/x")).rejects.toBeInstanceOf(UnavailableError);
    });

    it("agrees with the model on random histories", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
          const subject = await open();
          try {
            await compare(subject, new MemoryStore(testRuntime), steps);
          } finally {
            await subject.close();
          }
        }),
        { numRuns: runs },
      );
    }, 120_000);
  });
}
