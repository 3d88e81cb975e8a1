import { escapeToken } from "../../nats/subjects.ts";
import type { Bus } from "../../shared/actor/bus.ts";
import type { ActorDependencies, Running } from "../../shared/actor/dependencies.ts";
import { serviceUnavailable } from "../../shared/api/errors.ts";
import { Projection } from "../../shared/store/projection.ts";
import type { Store } from "../../shared/store/store.ts";
import type { ProjectionReader } from "../../shared/store/view.ts";
import { NodeLoads } from "./allocation/node-loads.ts";
import { Authenticator } from "./auth/authenticate.ts";
import { RbacAuthorizer } from "./auth/authorize.ts";
import type { Pki } from "./auth/pki.ts";
import type { StaticTokens } from "./auth/token-file.ts";
import { DEFAULT_ISSUER, ServiceAccountTokens } from "./auth/tokens.ts";
import { firstAddress, type ServingAddress } from "./bootstrap/kubernetes-service.ts";
import { type Bootstrap, startBootstrap } from "./bootstrap/start.ts";
import { serveBus } from "./bus-server.ts";
import { createContext, type EngineContext, type LogName, type ServiceNetwork } from "./context.ts";
import { engineOf } from "./engine.ts";
import type { HealthCheck } from "./http/health.ts";
import { type HttpServer, startHttpServer } from "./http/server.ts";
import type { Authorizer, Engine } from "./request.ts";

export interface ApiserverOptions {
  /** The logs; only the apiserver may write them. */
  readonly stores: Readonly<Record<LogName, Store>>;
  readonly network: ServiceNetwork;
  /** Absent: no HTTPS and no service account tokens, only the bus (simulation). */
  readonly https?: HttpsOptions;
  /** Default: RBAC over the cluster's log. */
  readonly authorizer?: (cluster: ProjectionReader) => Authorizer;
  /** Where pods reach this replica; absent: it is not among the endpoints of `kubernetes`. */
  readonly serving?: ServingAddress;
  /**
   * Writes what every cluster has, before anything is served. Default: the standing objects of
   * bootstrap/, which are then kept as long as this replica runs.
   */
  readonly bootstrap?: (engine: Engine, projections: Projections) => Promise<void>;
}

export interface HttpsOptions {
  readonly pki: Pki;
  /** 0: any free port. */
  readonly port: number;
  /** Default: all addresses. */
  readonly address?: string;
  /** The descriptor of a socket that has the port already, and that others may accept from, too. */
  readonly socket?: number;
  readonly staticTokens?: StaticTokens;
}

export type Projections = Readonly<Record<LogName, Projection>>;

export interface Apiserver extends Running {
  readonly engine: Engine;
  readonly projections: Projections;
  /** Of HTTPS. */
  readonly port: number | undefined;
  /** Requests and plans that it was given since it started, refused ones among them. */
  readonly requests: number;
}

/**
 * Starts one replica of the apiserver: reads the logs into memory, then serves the bus and HTTPS.
 * Any number of replicas run side by side.
 */
export async function startApiserver(
  dependencies: ActorDependencies,
  options: ApiserverOptions,
): Promise<Apiserver> {
  const { runtime, bus, logger, replica } = dependencies;
  const { stores, network, https } = options;
  const projections = await readLogs(dependencies, stores);
  const { cluster } = projections;
  logger.debug({ atMs: Math.round(runtime.clock.monotonic()) }, "logs read");
  const authorizer = options.authorizer?.(cluster) ?? new RbacAuthorizer(cluster);
  const issuer = https ? issuerOf(dependencies, https, cluster) : undefined;
  const tokens = issuer ?? NO_TOKENS;
  const parts = { runtime, stores, projections, authorizer, network, logger, tokens };
  const context = createContext(parts);
  // Now rather than in the first binding: nobody waits for it yet.
  NodeLoads.of(cluster);
  const { engine, requests } = counted(engineOf(context));
  // What every cluster has comes before anything is served: without roles nobody may do anything
  const standing = await bootstrap(dependencies, options, engine, projections);
  const server = serveBus({ bus, engine, context, replica });
  let http: HttpServer | undefined;
  if (https && issuer) http = await serveHttps(dependencies, https, context, engine, issuer);
  logger.debug({ atMs: Math.round(runtime.clock.monotonic()) }, "serving");
  await standing?.announce();
  return {
    engine,
    projections,
    port: http?.port,
    get requests() {
      return requests();
    },
    stop: async () => {
      await standing?.stop();
      await http?.close();
      await server.stop();
      for (const projection of Object.values(projections)) projection.stop();
    },
  };
}

/** An engine that counts what it is given. */
function counted(engine: Engine): { engine: Engine; requests: () => number } {
  let count = 0;
  return {
    engine: {
      handle: (request) => {
        count++;
        return engine.handle(request);
      },
      plan: (request) => {
        count++;
        return engine.plan(request);
      },
    },
    requests: () => count,
  };
}

async function bootstrap(
  { runtime, logger, replica }: ActorDependencies,
  options: ApiserverOptions,
  engine: Engine,
  projections: Projections,
): Promise<Bootstrap | undefined> {
  if (options.bootstrap) {
    await options.bootstrap(engine, projections);
    return undefined;
  }
  return startBootstrap({
    engine,
    projections,
    runtime,
    logger,
    replica,
    serviceAddress: firstAddress(options.network.serviceCidr),
    ...(options.serving ? { serving: options.serving } : {}),
  });
}

/** What is kept decoded: the pods of some seconds, hardly an Event, the Leases of all nodes. */
const DECODED_BYTES: Readonly<Record<LogName, number>> = {
  cluster: 12 * 1024 * 1024,
  events: 1024 * 1024,
  leases: 4 * 1024 * 1024,
};

async function readLogs(
  { runtime }: ActorDependencies,
  stores: ApiserverOptions["stores"],
): Promise<Projections> {
  const projections = {
    cluster: new Projection({ runtime, decodedBytes: DECODED_BYTES.cluster }),
    events: new Projection({ runtime, decodedBytes: DECODED_BYTES.events }),
    leases: new Projection({ runtime, decodedBytes: DECODED_BYTES.leases }),
  };
  const names = Object.keys(projections) as LogName[];
  await Promise.all(names.map((name) => projections[name].follow(stores[name])));
  return projections;
}

function issuerOf(
  { runtime }: ActorDependencies,
  { pki }: HttpsOptions,
  cluster: ProjectionReader,
): ServiceAccountTokens {
  return new ServiceAccountTokens({ runtime, keys: [pki.serviceAccountKey], cluster });
}

/** Of an apiserver without a signing key. */
const NO_TOKENS: EngineContext["tokens"] = {
  audience: DEFAULT_ISSUER,
  issue: () => {
    throw serviceUnavailable("this apiserver has no key to sign tokens with");
  },
  verify: () => ({ valid: false, error: "this apiserver has no key to check tokens with" }),
};

function serveHttps(
  { bus, runtime, logger }: ActorDependencies,
  { pki, port, address, socket, staticTokens }: HttpsOptions,
  { authorizer, projections }: EngineContext,
  engine: Engine,
  issuer: ServiceAccountTokens,
): Promise<HttpServer> {
  const authenticator = new Authenticator({
    tokens: issuer,
    authorizer,
    ...(staticTokens ? { staticTokens } : {}),
  });
  const { certificate, key } = pki.apiserver;
  return startHttpServer({
    engine,
    authorizer,
    authenticator,
    runtime,
    bus,
    nodeToken: escapeToken,
    logger,
    checks: checksOf(bus, projections),
    identity: issuer,
    tls: { certificate, key, clientAuthority: pki.ca.certificate },
    port,
    ...(address ? { address } : {}),
    ...(socket === undefined ? {} : { socket }),
  });
}

function checksOf(bus: Bus, projections: EngineContext["projections"]): HealthCheck[] {
  const unreachable = () => (bus.connected ? undefined : "the log cannot be reached");
  const caches = Object.entries(projections).map(([name, projection]) => ({
    name: `projection-${name}`,
    live: false,
    check: () => (projection.ready ? undefined : "it has not been read yet"),
  }));
  return [
    { name: "ping", live: true, check: () => undefined },
    { name: "log", live: false, check: unreachable },
    ...caches,
  ];
}
