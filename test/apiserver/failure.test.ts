import { expect, test } from "vitest";
import type { Authorizer } from "../../services/apiserver/request.ts";
import {
  type Store,
  TooLargeError,
  UnavailableError,
  UnknownOutcomeError,
} from "../../shared/store/store.ts";
import { callerOf, settled, startCluster, startReplica } from "./harness.ts";

const ALLOW: Authorizer = { authorize: () => ({ allowed: true, reason: "" }) };
const CREATE = {
  verb: "create",
  resource: "configmaps",
  namespace: "default",
  body: { metadata: { name: "a" } },
} as const;

/** A replica whose commits fail after they were (or were not) carried out. */
async function startFailing(options: { carriedOut: boolean; error: Error }) {
  const cluster = await startCluster();
  const { stores, runtime } = cluster;
  const real = stores.cluster;
  const failing: Store = {
    commit: async (writes, headers) => {
      if (options.carriedOut) await real.commit(writes, headers);
      throw options.error;
    },
    head: () => real.head(),
    get: (key, at) => real.get(key, at),
    list: (prefix, at) => real.list(prefix, at),
    watch: (prefix, from, handler) => real.watch(prefix, from, handler),
    revisionBefore: (time) => real.revisionBefore(time),
    compact: (revision) => real.compact(revision),
    close: () => real.close(),
  };
  const replica = await startReplica(runtime, { ...stores, cluster: failing }, ALLOW);
  return { ...cluster, failing: callerOf(runtime, replica.engine), engine: replica.engine };
}

test("a log that cannot be reached: 503, and when to come again", async () => {
  const error = new UnavailableError("gone");
  const { failing } = await startFailing({ carriedOut: false, error });
  expect(await failing(CREATE)).toMatchObject({
    code: 503,
    body: { reason: "ServiceUnavailable", details: { retryAfterSeconds: 1 } },
  });
});

test("an outcome that nobody knows: 504", async () => {
  const error = new UnknownOutcomeError("lost");
  const { failing, call } = await startFailing({ carriedOut: true, error });
  expect(await failing(CREATE)).toMatchObject({ code: 504, body: { reason: "Timeout" } });
  const { verb: _, body: __, ...where } = CREATE;
  expect((await call({ ...where, verb: "get", name: "a" })).code).toBe(200);
});

test("an object that no message can hold: 413", async () => {
  const { failing } = await startFailing({ carriedOut: false, error: new TooLargeError("big") });
  const refused = { code: 413, body: { reason: "RequestEntityTooLarge" } };
  expect(await failing(CREATE)).toMatchObject(refused);
});

test("a plan whose answer was lost is found again by its trace", async () => {
  const error = new UnknownOutcomeError("lost");
  const { engine, runtime } = await startFailing({ carriedOut: true, error });
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } };
  const result = await settled(
    runtime,
    engine.plan({
      user: { username: "system:controller:test", groups: [] },
      actor: "test",
      replica: "test-1",
      trace: "lost-answer",
      cause: 0,
      actions: [{ op: "create", key: "configmaps/default/a", object }],
    }),
  );
  expect(result).toMatchObject({ outcome: "committed" });
});

test("nobody changes what he may not", async () => {
  const { runtime, stores } = await startCluster();
  const refuse: Authorizer = { authorize: () => ({ allowed: false, reason: "" }) };
  const { engine } = await startReplica(runtime, stores, refuse);
  const answer = await callerOf(runtime, engine)(CREATE);
  const what = 'User "admin" cannot create resource "configmaps" in API group ""';
  expect(answer).toMatchObject({
    code: 403,
    body: { message: `configmaps is forbidden: ${what} in the namespace "default"` },
  });
});
