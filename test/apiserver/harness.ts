import type { EngineOptions, LogName } from "../../services/apiserver/context.ts";
import { createEngine } from "../../services/apiserver/engine.ts";
import type {
  Authorizer,
  Engine,
  ResourceRequest,
  UserInfo,
  Verb,
  WatchResponse,
} from "../../services/apiserver/request.ts";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import { groupResourceOf, kindByResource } from "../../shared/api/kinds.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { Runtime } from "../../shared/runtime/runtime.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import { Projection } from "../../shared/store/projection.ts";
import type { Store } from "../../shared/store/store.ts";

export type Stores = Readonly<Record<LogName, Store>>;

export const ADMIN: UserInfo = { username: "admin", groups: ["system:masters"] };
const ALLOW_ALL: Authorizer = { authorize: () => ({ allowed: true, reason: "" }) };

const TOKENS: EngineOptions["tokens"] = {
  audience: "https://kubernetes.default.svc.cluster.local",
  issue: ({ serviceAccount, expirationSeconds }) => ({
    token: `token-of-${serviceAccount.name}`,
    expiresAt: expirationSeconds * 1000,
  }),
  verify: () => ({ valid: false, error: "no token is known here" }),
};

export interface Replica {
  readonly engine: Engine;
  readonly projections: Readonly<Record<LogName, Projection>>;
}

export interface Cluster extends Replica {
  readonly runtime: SeededRuntime;
  readonly stores: Stores;
  readonly call: Caller;
}

/** What a request says; the rest is as kubectl would send it. */
export interface Call {
  readonly verb: Verb;
  /** `pods`, `deployments.apps` */
  readonly resource: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly query?: Record<string, string>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly accept?: string;
  readonly user?: UserInfo;
}

export interface Answer {
  readonly code: number;
  readonly body: KubernetesObject;
  readonly warnings: readonly string[];
}
export type Caller = (call: Call) => Promise<Answer>;

/** Stores in memory and one engine on them, with the namespaces and accounts that tests need. */
export async function startCluster(
  options: { seed?: number; freeze?: boolean } = {},
): Promise<Cluster> {
  const runtime = new SeededRuntime(options.seed === undefined ? {} : { seed: options.seed });
  const stores = {
    cluster: new MemoryStore(runtime),
    events: new MemoryStore(runtime),
    leases: new MemoryStore(runtime),
  };
  const replica = await startReplica(runtime, stores, ALLOW_ALL, options.freeze);
  const call = callerOf(runtime, replica.engine);
  for (const name of ["default", "kube-system", "kube-node-lease"]) {
    await call({ verb: "create", resource: "namespaces", body: { metadata: { name } } });
  }
  const account = { metadata: { name: "default" } };
  await call({ verb: "create", resource: "serviceaccounts", namespace: "default", body: account });
  return { ...replica, runtime, stores, call };
}

/** One more engine, with projections of its own, on the same stores. */
export async function startReplica(
  runtime: Runtime,
  stores: Stores,
  authorizer: Authorizer = ALLOW_ALL,
  freeze = true,
): Promise<Replica> {
  const projectionOf = async (store: Store): Promise<Projection> => {
    const projection = new Projection({ runtime, freeze });
    const ready = projection.follow(store);
    if (runtime instanceof SeededRuntime) await runtime.advance(10);
    await ready;
    return projection;
  };
  const projections = {
    cluster: await projectionOf(stores.cluster),
    events: await projectionOf(stores.events),
    leases: await projectionOf(stores.leases),
  };
  const engine = createEngine(engineOptions(runtime, stores, projections, authorizer));
  return { engine, projections };
}

export function engineOptions(
  runtime: Runtime,
  stores: Stores,
  projections: Replica["projections"],
  authorizer: Authorizer,
): EngineOptions {
  return {
    runtime,
    stores,
    projections,
    authorizer,
    network: { serviceCidr: "10.96.0.0/16", nodePortRange: [30000, 32767] },
    tokens: TOKENS,
    logger: silentLogger,
  };
}

export function requestOf(call: Call): ResourceRequest {
  const table = kindByResource(call.resource);
  if (!table) throw new Error(`no such resource: ${call.resource}`);
  const subresource = table.subresources.find(({ name }) => name === call.subresource);
  if (call.subresource && !subresource) throw new Error(`no such subresource: ${call.subresource}`);
  const { body } = call;
  const bytes = typeof body === "string" ? body : body === undefined ? "" : JSON.stringify(body);
  return {
    verb: call.verb,
    user: call.user ?? ADMIN,
    table,
    ...(subresource ? { subresource } : {}),
    namespace: table.namespaced ? (call.namespace ?? "") : "",
    name: call.name ?? "",
    query: new URLSearchParams(call.query),
    body: Buffer.from(bytes),
    contentType: call.contentType ?? "application/json",
    accept: call.accept ?? "application/json",
    userAgent: "kubectl/v1.35.0 (linux/amd64) kubernetes/test",
    trace: "",
    actor: "user",
    replica: "test",
    cause: 0,
  };
}

/** Sends requests and lets virtual time pass until they are answered. */
export function callerOf(runtime: SeededRuntime, engine: Engine): Caller {
  return async (call) => {
    const answer = await settled(runtime, engine.handle(requestOf(call)));
    if (answer.type === "watch") throw new Error("a watch: use startWatch");
    const text = Buffer.concat(answer.body).toString();
    return { code: answer.code, body: JSON.parse(text), warnings: answer.warnings ?? [] };
  };
}

/** Advances virtual time in small steps until the promise settles. */
export async function settled<T>(runtime: SeededRuntime, promise: Promise<T>): Promise<T> {
  let done = false;
  const marked = promise.finally(() => {
    done = true;
  });
  marked.catch(() => undefined);
  for (let step = 0; step < 10_000 && !done; step++) await runtime.advance(1);
  if (!done) throw new Error("the promise did not settle in 10 s of virtual time");
  return marked;
}

export interface WatchEvent {
  readonly type: string;
  readonly object: KubernetesObject;
}

export interface TestWatch {
  readonly events: WatchEvent[];
  readonly ended: () => boolean;
  /** While false, the transport wants a rest. */
  readonly flow: { open: boolean };
  stop(): void;
}

export async function startWatch(cluster: Cluster, call: Omit<Call, "verb">): Promise<TestWatch> {
  const promise = cluster.engine.handle(requestOf({ ...call, verb: "watch" }));
  const answer = await settled(cluster.runtime, promise);
  if (answer.type !== "watch") {
    throw new Error(`no watch: ${Buffer.concat(answer.body).toString()}`);
  }
  return collect(answer);
}

export function collect(response: WatchResponse): TestWatch {
  const events: WatchEvent[] = [];
  const flow = { open: true };
  let ended = false;
  const { stop } = response.start({
    write: (frame) => {
      for (const line of Buffer.from(frame).toString().split("\n")) {
        if (line !== "") events.push(JSON.parse(line));
      }
      return flow.open;
    },
    end: () => {
      ended = true;
    },
  });
  return { events, flow, ended: () => ended, stop };
}

export const resourceOf = groupResourceOf;
