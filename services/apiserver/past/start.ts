import { type Bus, NoResponderError } from "../../../shared/actor/bus.ts";
import type { Logger, Running } from "../../../shared/actor/dependencies.ts";
import { type History, horizonOf } from "../../../shared/log/history.ts";
import type { Runtime } from "../../../shared/runtime/runtime.ts";
import { MemoryStore } from "../../../shared/store/memory.ts";
import { Projection } from "../../../shared/store/projection.ts";
import type { Revision, Version } from "../../../shared/store/store.ts";
import { Authenticator } from "../auth/authenticate.ts";
import type { Pki } from "../auth/pki.ts";
import { DEFAULT_ISSUER, type TokenIssuer } from "../auth/tokens.ts";
import { createEngine } from "../engine.ts";
import { startHttpServer } from "../http/server.ts";
import type { Engine } from "../request.ts";
import { pastAuthorizer } from "./authorizer.ts";
import { PastClock, withClock } from "./clock.ts";
import { Replay } from "./replay.ts";

export interface PastServerOptions {
  readonly history: History;
  readonly revision: Revision;
  /** The time at which the moment is, milliseconds since the Unix epoch. */
  readonly time: number;
  /** How fast time runs once somebody watches; 0: it stands still. */
  readonly speed: number;
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly pki: Pki;
  /** 0: any free port. */
  readonly port: number;
  /** The replay has broken off. */
  readonly onError: (error: unknown) => void;
}

export interface PastServer extends Running {
  readonly port: number;
}

/**
 * Serves the Kubernetes API of a past moment, read-only, on the loopback address: the apiserver's
 * own engine over the state of that moment. With the first watch time begins to run, and what
 * happened next is replayed for everybody.
 * @throws CompactedError, FutureRevisionError
 */
export async function startPastServer(options: PastServerOptions): Promise<PastServer> {
  const { history, time, speed, pki, onError } = options;
  const clock = new PastClock(options.runtime.clock, time, speed);
  const runtime = withClock(options.runtime, clock);
  const past = await pastLogs({ ...options, runtime });
  const projections = await projectionsOf(past, runtime);
  const authorizer = pastAuthorizer(
    () => `revision ${projections.cluster.revision} (${new Date(clock.now()).toISOString()})`,
  );
  const { logger } = options;
  const replays = (["cluster", "events"] as const).map((log) => {
    const source = history.logs[log];
    return new Replay({ source, ...past[log], clock, runtime, onError });
  });
  const stores = {
    cluster: past.cluster.store,
    events: past.events.store,
    leases: past.leases.store,
  };
  const rest = { authorizer, tokens: NO_TOKENS, network: NO_SERVICES, logger };
  const engine = watched(createEngine({ runtime, stores, projections, ...rest }), () => {
    clock.start();
    if (speed > 0) for (const replay of replays) replay.start();
  });
  const http = await startHttpServer({
    engine,
    authorizer,
    authenticator: new Authenticator({ tokens: NO_TOKENS, authorizer }),
    runtime,
    bus: NO_BUS,
    nodeToken: (node) => node,
    logger,
    checks: [{ name: "ping", live: true, check: () => undefined }],
    identity: { configuration: () => ({}), keySet: () => ({ keys: [] }) },
    tls: { ...pki.apiserver, clientAuthority: pki.ca.certificate },
    port: options.port,
    address: "127.0.0.1",
  });
  return {
    port: http.port,
    stop: async () => {
      for (const replay of replays) replay.stop();
      await http.close(0);
      for (const projection of Object.values(projections)) projection.stop();
    },
  };
}

export interface PastLog {
  readonly from: Revision;
  readonly store: MemoryStore;
}
export type PastLogs = Readonly<Record<"cluster" | "events" | "leases", PastLog>>;

async function projectionsOf({ cluster, events, leases }: PastLogs, runtime: Runtime) {
  const [a, b, c] = await Promise.all(
    [cluster, events, leases].map(async ({ store }) => {
      const projection = new Projection({ runtime });
      await projection.follow(store);
      return projection;
    }),
  );
  return { cluster: a as Projection, events: b as Projection, leases: c as Projection };
}

/** The logs as they were, in memory; each counts revisions of its own, time is common. */
export async function pastLogs(
  options: Pick<PastServerOptions, "history" | "revision" | "time" | "runtime">,
): Promise<PastLogs> {
  const { history, revision, time, runtime } = options;
  const { cluster, events, leases } = history.logs;
  const begin = await horizonOf(events);
  const eventsAt = await events.revisionBefore(time + 1);
  const [objects, happened, held] = await Promise.all([
    cluster.list("", revision),
    // Events are forgotten earlier than objects.
    eventsAt < begin ? { versions: [] } : events.list("", eventsAt),
    // Leases have no history: what is older than the moment was so then.
    leases.list(""),
  ]);
  const past = (from: Revision, versions: readonly Version[]): PastLog => ({
    from,
    store: new MemoryStore(runtime, { revision: from, versions }),
  });
  return {
    cluster: past(revision, objects.versions),
    events: past(Math.max(begin, eventsAt), happened.versions),
    leases: past(
      held.revision,
      held.versions.filter((version) => version.time <= time),
    ),
  };
}

/** The engine, which tells when the first watch begins. */
function watched(engine: Engine, begin: () => void): Engine {
  return {
    plan: (request) => engine.plan(request),
    handle: async (request) => {
      const response = await engine.handle(request);
      if (response.type === "watch") begin();
      return response;
    },
  };
}

const NO_TOKENS: TokenIssuer = {
  issuer: DEFAULT_ISSUER,
  audience: DEFAULT_ISSUER,
  issue: () => {
    throw new Error("a server of the past issues no tokens");
  },
  verify: () => ({ valid: false, error: "a server of the past knows no tokens" }),
};

/** No addresses are given to Services any more. */
const NO_SERVICES = { serviceCidr: "10.96.0.0/16", nodePortRange: [30_000, 32_767] } as const;

/** Nobody is there to be asked. */
const NO_BUS: Bus = {
  publish: () => undefined,
  subscribe: () => ({ stop: () => undefined }),
  request: (subject) => Promise.reject(new NoResponderError(`nobody serves ${subject}`)),
  inbox: () => "_INBOX.past",
  flush: async () => undefined,
  connected: false,
  onStatus: () => ({ stop: () => undefined }),
};
