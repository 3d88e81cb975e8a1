import { escapeToken } from "../../nats/subjects.ts";
import type { Bus } from "../../shared/actor/bus.ts";
import type { ActorDependencies, Running } from "../../shared/actor/dependencies.ts";
import { Projection } from "../../shared/store/projection.ts";
import type { Store } from "../../shared/store/store.ts";
import type { ProjectionReader } from "../../shared/store/view.ts";
import { Authenticator } from "./auth/authenticate.ts";
import { RbacAuthorizer } from "./auth/authorize.ts";
import type { StaticTokens } from "./auth/token-file.ts";
import type { TokenIssuer } from "./auth/tokens.ts";
import { firstAddress, type ServingAddress } from "./bootstrap/kubernetes-service.ts";
import { startBootstrap } from "./bootstrap/start.ts";
import { serveBus } from "./bus-server.ts";
import { createContext, type EngineContext, type LogName, type ServiceNetwork } from "./context.ts";
import { engineOf } from "./engine.ts";
import type { HealthCheck } from "./http/health.ts";
import { type HttpServer, type ServerTls, startHttpServer } from "./http/server.ts";
import type { Authorizer, Engine } from "./request.ts";

/** What tokens are issued and checked by, and what is published about that. */
export interface Issuer extends TokenIssuer {
  configuration(): unknown;
  keySet(): unknown;
}

export interface ApiserverOptions extends ActorDependencies {
  /** The logs; only the apiserver may write them. */
  readonly stores: Readonly<Record<LogName, Store>>;
  readonly network: ServiceNetwork;
  /** Makes the issuer of service account tokens; what they are bound to is in the cluster's log. */
  readonly issuer: (cluster: ProjectionReader) => Issuer;
  /** Default: RBAC over the cluster's log. */
  readonly authorizer?: (cluster: ProjectionReader) => Authorizer;
  /** Absent: no HTTPS, only the bus (simulation). */
  readonly http?: HttpOptions;
  /** Where pods reach this replica; absent: it is not among the endpoints of `kubernetes`. */
  readonly serving?: ServingAddress;
}

export interface HttpOptions {
  readonly tls: ServerTls;
  /** 0: any free port. */
  readonly port: number;
  readonly address?: string;
  readonly staticTokens?: StaticTokens;
}

export interface Apiserver extends Running {
  readonly engine: Engine;
  readonly projections: Projections;
  readonly http: HttpServer | undefined;
}

/**
 * Starts one replica of the apiserver: reads the logs into memory, then serves the bus and HTTPS.
 * Any number of replicas run side by side.
 */
export async function startApiserver(options: ApiserverOptions): Promise<Apiserver> {
  const { runtime, bus, logger, replica, stores, network } = options;
  const projections = await readLogs(options);
  const { cluster } = projections;
  const issuer = options.issuer(cluster);
  const authorizer = options.authorizer?.(cluster) ?? new RbacAuthorizer(cluster);
  const parts = { runtime, stores, projections, authorizer, network, logger, tokens: issuer };
  const context = createContext(parts);
  const engine = engineOf(context);
  // What every cluster has comes before anything is served: without roles nobody may do anything
  const standing = await startBootstrap({
    engine,
    projections,
    runtime,
    logger,
    replica,
    serviceAddress: firstAddress(network.serviceCidr),
    ...(options.serving ? { serving: options.serving } : {}),
  });
  const server = serveBus({ bus, engine, context, replica });
  const http = options.http && (await serveHttps(options, options.http, context, engine, issuer));
  return {
    engine,
    projections,
    http,
    stop: async () => {
      await standing.stop();
      await http?.close();
      await server.stop();
      for (const projection of Object.values(projections)) projection.stop();
    },
  };
}

type Projections = Readonly<Record<LogName, Projection>>;

async function readLogs({ runtime, stores }: ApiserverOptions): Promise<Projections> {
  const projections = {
    cluster: new Projection({ runtime }),
    events: new Projection({ runtime }),
    leases: new Projection({ runtime }),
  };
  const names = Object.keys(projections) as LogName[];
  await Promise.all(names.map((name) => projections[name].follow(stores[name])));
  return projections;
}

function serveHttps(
  { bus, runtime, logger }: ActorDependencies,
  { tls, port, address, staticTokens }: HttpOptions,
  { authorizer, projections }: EngineContext,
  engine: Engine,
  issuer: Issuer,
): Promise<HttpServer> {
  const authenticator = new Authenticator({
    tokens: issuer,
    authorizer,
    ...(staticTokens ? { staticTokens } : {}),
  });
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
    tls,
    port,
    ...(address ? { address } : {}),
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
