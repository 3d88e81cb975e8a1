import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Connection } from "../../nats/connect.ts";
import { Requests } from "../../nats/requests.ts";
import { openStore } from "../../nats/store.ts";
import type { Store } from "../../shared/store/store.ts";
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
    await store.commit([{ key, value: null, expect: 20 }], HEADERS);
    await recorder.until(({ versions }) => versions.length === 2);
    await store.close();
  });
});
