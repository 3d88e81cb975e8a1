import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Connection } from "../../nats/connect.ts";
import { Requests } from "../../nats/requests.ts";
import { openStore } from "../../nats/store.ts";
import { Projection } from "../../shared/store/projection.ts";
import { CompactedError, ConflictError, type Store } from "../../shared/store/store.ts";
import { storeConformance } from "./conformance.ts";
import { HEADERS, Recorder, TestServer, testRuntime, value } from "./harness.ts";

let server: TestServer;
let connection: Connection;
beforeAll(async () => {
  server = await TestServer.start();
  connection = await server.connect();
});
afterAll(() => server.stop());

/** Every test gets the log anew, so that its revisions start at 1. */
async function emptyStore(): Promise<Store> {
  const requests = new Requests(connection);
  for (const stream of ["KV_cluster", "compaction"]) {
    await requests.api(`STREAM.DELETE.${stream}`, undefined).catch(() => {});
  }
  requests.close();
  return openStore(connection, testRuntime, { name: "cluster", durability: "strict" });
}

storeConformance("JetStreamStore", emptyStore, 50);

describe("several writers of one log", () => {
  it("see one another's deletions and creations", async () => {
    const one = await emptyStore();
    const other = await openStore(connection, testRuntime, {
      name: "cluster",
      durability: "strict",
    });
    const key = "pods/a/x";
    for (let round = 0; round < 5; round += 1) {
      const [created] = await one.commit([{ key, value: value("1"), expect: 0 }], HEADERS);
      await other.commit([{ key, value: null, expect: created as number }], HEADERS);
    }
    const batch = ["pods/a/x", "pods/a/y"].map((each) => ({
      key: each,
      value: value("2"),
      expect: 0,
    }));
    expect(await one.commit(batch, HEADERS)).toEqual([11, 12]);
    await one.close();
    await other.close();
  });
});

describe("the log's end", () => {
  it("shows what another writer was told is written, and asking adds nothing", async () => {
    const store = await emptyStore();
    const other = await openStore(await server.connect(), testRuntime, {
      name: "cluster",
      durability: "strict",
    });
    const lane = async (name: string): Promise<void> => {
      for (let round = 0; round < 25; round += 1) {
        const key = `pods/a/${name}-${round}`;
        const [revision] = await store.commit([{ key, value: value("1"), expect: 0 }], HEADERS);
        expect(await other.head()).toBeGreaterThanOrEqual(revision as number);
      }
    };
    await Promise.all(["a", "b", "c", "d"].map(lane));
    expect(await other.head()).toBe(100);
    expect(await store.head()).toBe(100);
    await other.close();
    await store.close();
  });
});

describe("a person's write", () => {
  const person = { ...HEADERS, actor: "user" };

  it("goes beside batches and is seen by who asks for the end meanwhile", async () => {
    const store = await emptyStore();
    const other = await openStore(await server.connect(), testRuntime, {
      name: "cluster",
      durability: "strict",
    });
    let ended = false;
    const batches = async (name: string): Promise<void> => {
      for (let round = 0; !ended; round += 1) {
        const keys = Array.from({ length: 60 }, (_, each) => `pods/${name}/${round}-${each}`);
        await store.commit(
          keys.map((key) => ({ key, value: value("1"), expect: 0 })),
          HEADERS,
        );
      }
    };
    const running = Promise.all(["a", "b", "c"].map(batches));
    const lane = async (name: string): Promise<void> => {
      let expected = 0;
      for (let round = 0; round < 25; round += 1) {
        const write = { key: `pods/p/${name}`, value: value(`${round}`), expect: expected };
        const [revision] = await store.commit([write], person);
        expect(revision).toBeGreaterThan(expected);
        expect(await store.head()).toBeGreaterThanOrEqual(revision as number);
        expect(await other.head()).toBeGreaterThanOrEqual(revision as number);
        await expect(store.commit([write], person)).rejects.toThrow(ConflictError);
        expected = revision as number;
      }
    };
    await Promise.all(["a", "b", "c", "d"].map(lane));
    ended = true;
    await running;
    await other.close();
    await store.close();
  });

  it("of a key that many change replaces one state each", async () => {
    const store = await emptyStore();
    const key = "pods/p/x";
    const count = async (actor: string): Promise<void> => {
      for (let done = 0; done < 10; ) {
        const last = await store.get(key);
        const write = {
          key,
          value: value(`${Number(last?.value ?? 0) + 1}`),
          expect: last?.revision ?? 0,
        };
        await store.commit([write], { ...HEADERS, actor }).then(
          () => {
            done += 1;
          },
          (error) => expect(error).toBeInstanceOf(ConflictError),
        );
      }
    };
    await Promise.all(["user", "user", "test", "test"].map(count));
    expect(`${(await store.get(key))?.value}`).toBe("40");
    await store.close();
  });
});

describe("a reader", () => {
  it("may follow the log, and may not write it", async () => {
    const store = await emptyStore();
    const controllers = await server.connect("controllers");
    const reader = await openStore(controllers, testRuntime, {
      name: "cluster",
      readOnly: true,
      durability: "strict",
    });
    const recorder = new Recorder();
    reader.watch("", "snapshot", recorder);
    await store.commit([{ key: "pods/a/x", value: value("1") }], HEADERS);
    await recorder.until(({ versions }) => versions.length === 1);
    expect(await reader.head()).toBe(1);
    expect((await reader.get("pods/a/x"))?.value?.toString()).toBe("1");
    await expect(reader.commit([{ key: "pods/a/y", value: value("1") }], HEADERS)).rejects.toThrow(
      "may not write",
    );
    // Not the program's own politeness: the server refuses what the user may not publish.
    controllers.nats.publish("$KV.cluster._.pods.a.y", "forged");
    await controllers.nats.flush();
    expect(await store.get("pods/a/y")).toBeUndefined();
    await reader.close();
    await store.close();
  });
});

describe("the log of leases", () => {
  it("keeps the last version of each key", async () => {
    const store = await openStore(connection, testRuntime, {
      name: "leases",
      durability: "strict",
    });
    const key = "leases.coordination.k8s.io/kube-node-lease/n1";
    for (let round = 0; round < 20; round += 1) {
      await store.commit([{ key, value: value(`${round}`) }], HEADERS);
    }
    const recorder = new Recorder();
    store.watch("", "snapshot", recorder);
    await recorder.until(({ caughtUpAt }) => caughtUpAt !== undefined);
    expect(recorder.versions.map((version) => version.value?.toString())).toEqual(["19"]);
    const listed = await store.list("leases.coordination.k8s.io/");
    expect(listed).toEqual({ revision: 20, versions: recorder.versions });
    expect((await store.get(key))?.revision).toBe(20);
    await expect(store.get(key, 10)).rejects.toBeInstanceOf(CompactedError);
    await store.commit([{ key, value: null, expect: 20 }], HEADERS);
    await recorder.until(({ versions }) => versions.length === 2);
    await store.close();
  });
});

describe("under load", () => {
  /** Creates, changes and deletes a few keys for ever, until told to stop. */
  function churn(store: Store): { stop(): Promise<void> } {
    let stopped = false;
    const lane = async (index: number): Promise<void> => {
      for (let round = 0; !stopped; round += 1) {
        const keys = [`pods/a/${index}-${round % 7}`, `nodes/_/${index}-${round % 3}`];
        const object = { kind: "X", metadata: { name: "x" }, round };
        const writes = keys.map((key, each) => ({
          key,
          value: (round + each) % 4 === 0 ? null : Buffer.from(JSON.stringify(object)),
        }));
        await store.commit(writes, HEADERS);
      }
    };
    const lanes = Promise.all([0, 1, 2, 3].map(lane));
    return {
      stop: async () => {
        stopped = true;
        await lanes;
      },
    };
  }

  it("every new projection reaches the log's state, also when the server is killed", async () => {
    const store = await emptyStore();
    const load = churn(store);
    const projections: Projection[] = [];
    for (let round = 0; round < 12; round += 1) {
      const projection = new Projection({ runtime: testRuntime });
      projections.push(projection);
      const following = projection.follow(store);
      if (round % 4 === 2) {
        await server.kill();
        await server.startAgain();
      }
      await following;
      // Whatever it is at right now, the log says the same of that moment.
      const { versions } = await store.list("", projection.oldest);
      const view = projection.at(projection.oldest);
      const shown = [...view.list("nodes"), ...view.list("pods")];
      expect(shown.map(({ key, revision }) => [key, revision])).toEqual(
        versions.map(({ key, revision }) => [key, revision]),
      );
    }
    await load.stop();
    const head = await store.head();
    const { versions } = await store.list("");
    for (const projection of projections) {
      await projection.waitFor(head, 5_000);
      const shown = [...projection.list("nodes"), ...projection.list("pods")];
      expect(shown.map(({ key, revision }) => [key, revision])).toEqual(
        versions.map(({ key, revision }) => [key, revision]),
      );
      projection.stop();
    }
    await store.close();
  });

  it("compacts without disturbing writers, watchers and projections", async () => {
    const store = await emptyStore();
    const recorder = new Recorder();
    store.watch("", "snapshot", recorder);
    const projection = new Projection({ runtime: testRuntime });
    await projection.follow(store);
    const load = churn(store);
    for (let round = 0; round < 5; round += 1) {
      const target = (await store.head()) + 200;
      await recorder.until(({ versions }) => (versions.at(-1)?.revision ?? 0) >= target);
      await store.compact(projection.revision - 50);
    }
    await load.stop();
    const head = await store.head();
    await store.compact(head);
    await expect(store.list("", head - 1)).rejects.toBeInstanceOf(CompactedError);
    await recorder.until(({ versions }) => versions.at(-1)?.revision === head);
    expect(recorder.error).toBeUndefined();
    expect(recorder.versions.map(({ revision }) => revision)).toEqual(
      Array.from({ length: head }, (_, index) => index + 1),
    );
    const { versions } = await store.list("");
    const requests = new Requests(connection);
    const info = await requests.api<{ state: { messages: number } }>("STREAM.INFO.KV_cluster", {});
    requests.close();
    // One message per live key, and nothing of what was replaced or deleted.
    expect(info.state.messages).toBe(versions.length);
    await projection.waitFor(head, 5_000);
    expect(projection.list("pods").length + projection.list("nodes").length).toBe(versions.length);
    projection.stop();
    await store.close();
  });

  it("commits what fits together when some of it conflicts, from two processes", async () => {
    const one = await emptyStore();
    const other = await openStore(await server.connect(), testRuntime, {
      name: "cluster",
      durability: "strict",
    });
    // Both create and delete the same keys at the same time; each key has one winner a round.
    for (let round = 0; round < 20; round += 1) {
      const attempts = [one, other].flatMap((store) =>
        Array.from({ length: 8 }, (_, index) =>
          store.commit([{ key: `pods/a/${index}`, value: value("1"), expect: 0 }], HEADERS),
        ),
      );
      const results = await Promise.allSettled(attempts);
      const won = results.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
      expect(won).toHaveLength(8);
      for (const result of results) {
        if (result.status === "rejected") expect(result.reason).toBeInstanceOf(ConflictError);
      }
      const { versions } = await other.list("pods/");
      expect(versions.map(({ revision }) => revision).toSorted((a, b) => a - b)).toEqual(
        won.toSorted((a, b) => a - b),
      );
      await one.commit(
        versions.map(({ key, revision }) => ({ key, value: null, expect: revision })),
        HEADERS,
      );
    }
    await other.close();
    await one.close();
  });
});
