import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Connection, connect } from "../../nats/connect.ts";
import { openStore } from "../../nats/store.ts";
import {
  ConflictError,
  type Store,
  UnknownOutcomeError,
  type Write,
} from "../../shared/store/store.ts";
import { HEADERS, Recorder, TestServer, testRuntime, value } from "./harness.ts";
import { LossyProxy } from "./proxy.ts";

/** What becomes of commits whose request or whose acknowledgement is lost on the way. */
let server: TestServer;
let proxy: LossyProxy;
let connection: Connection;
/** Behind the proxy. */
let store: Store;
/** Sees the log as it is. */
let witness: Store;
beforeAll(async () => {
  server = await TestServer.start();
  witness = await openStore(await server.connect(), testRuntime, {
    name: "cluster",
    durability: "strict",
  });
});
afterAll(() => server.stop());
beforeEach(async () => {
  proxy = await LossyProxy.start(server.port);
  const login = { user: "apiserver", password: "apiserver-password", name: "lossy" };
  connection = await connect({ url: proxy.url, ...login });
  store = await openStore(connection, testRuntime, { name: "cluster", durability: "strict" });
});
afterEach(async () => {
  await store.close();
  await connection.close();
  proxy.stop();
});

let next = 0;
function fresh(expected?: number): Write {
  next += 1;
  const write = { key: `pods/a/p-${next}`, value: value(`${next}`) };
  return expected === undefined ? write : { ...write, expect: expected };
}

async function headReaches(revision: number): Promise<void> {
  await expect.poll(() => witness.head()).toBeGreaterThanOrEqual(revision);
}

/** Nothing came in twice. */
async function expectOnce(writes: readonly Write[], revisions: readonly number[]): Promise<void> {
  const recorder = new Recorder();
  const watch = witness.watch("", 0, recorder);
  await recorder.until(({ caughtUpAt }) => caughtUpAt !== undefined);
  watch.stop();
  const keys = new Set(writes.map((write) => write.key));
  const found = recorder.versions.filter((version) => keys.has(version.key));
  const wanted = writes.map((write, index) => [write.key, revisions[index]]);
  expect(found.map((version) => [version.key, version.revision])).toEqual(
    wanted.toSorted((a, b) => Number(a[1]) - Number(b[1])),
  );
}

describe("a commit whose acknowledgement is lost", () => {
  it.each([
    ["a creation", [[0]]],
    ["a plan", [[0, 0, 0]]],
    ["an unconditional write", [[undefined]]],
    ["a plan with one expectation", [[undefined, 0, undefined]]],
    ["a few at a time", [[0], [0], [0]]],
    ["more at a time", Array.from({ length: 20 }, () => [0])],
    ["many at a time", Array.from({ length: 40 }, () => [0])],
    [
      "plans at a time",
      [
        [0, 0],
        [undefined, undefined],
        [0, undefined, 0],
      ],
    ],
  ])("is found in the log: %s", async (_, plans) => {
    const head = await witness.head();
    const commits = plans.map((expected) => expected.map(fresh));
    const all = commits.flat();
    proxy.deaf = true;
    const answers = commits.map((writes) => store.commit(writes, HEADERS));
    await headReaches(head + all.length);
    proxy.cut();
    const revisions = (await Promise.all(answers)).flat();
    expect(revisions).toEqual(all.map((_each, index) => head + 1 + index));
    await expectOnce(all, revisions);
  });

  it("of an update and a deletion is found, also when others wrote since", async () => {
    const [first, second] = [fresh(0), fresh(0)];
    const [one, two] = await store.commit([first, second], HEADERS);
    const writes = [
      { key: first.key, value: value("new"), expect: one as number },
      { key: second.key, value: null, expect: two as number },
    ];
    const head = await witness.head();
    proxy.deaf = true;
    const answer = store.commit(writes, HEADERS);
    await headReaches(head + 2);
    await witness.commit([{ key: first.key, value: value("newer") }], HEADERS);
    await witness.commit([{ key: second.key, value: value("again"), expect: 0 }], HEADERS);
    proxy.cut();
    expect(await answer).toEqual([head + 1, head + 2]);
  });
});

describe("a commit that is lost on its way", () => {
  it.each([
    ["a creation", [[0]]],
    ["a plan", [[0, 0, 0]]],
    ["a few at a time", [[0], [0], [0]]],
    ["more at a time", Array.from({ length: 20 }, () => [0])],
    ["many at a time", Array.from({ length: 40 }, () => [0])],
  ])("is sent again: %s", async (_, plans) => {
    const commits = plans.map((expected) => expected.map(fresh));
    const all = commits.flat();
    proxy.mute = true;
    const lost = proxy.loss();
    const answers = commits.map((writes) => store.commit(writes, HEADERS));
    await lost;
    proxy.cut();
    const revisions = (await Promise.all(answers)).flat();
    await expectOnce(all, revisions);
  });

  it("conflicts when another writer was quicker", async () => {
    const write = fresh(0);
    proxy.mute = true;
    const answer = store.commit([write], HEADERS);
    const failure = expect(answer).rejects.toBeInstanceOf(ConflictError);
    await witness.commit([write], HEADERS);
    proxy.cut();
    await failure;
  });

  it("and that nothing guards is not sent twice: its outcome is unknown", async () => {
    const write = fresh();
    proxy.mute = true;
    const lost = proxy.loss();
    const answer = store.commit([write], HEADERS);
    const failure = expect(answer).rejects.toBeInstanceOf(UnknownOutcomeError);
    await lost;
    proxy.cut();
    await failure;
    expect(await witness.get(write.key)).toBeUndefined();
  });
});
