import type { Logger } from "../../shared/actor/dependencies.ts";
import type { GroupResource } from "../../shared/api/key.ts";
import { kindByResource } from "../../shared/api/kinds.ts";
import type { KindTable } from "../../shared/api/schema.ts";
import type { Runtime } from "../../shared/runtime/runtime.ts";
import type { Store } from "../../shared/store/store.ts";
import type { Borrower, ProjectionReader } from "../../shared/store/view.ts";
import type { TokenIssuer } from "./auth/tokens.ts";
import { Earlier } from "./earlier.ts";
import { Freshness } from "./freshness.ts";
import { ListCache } from "./list-cache.ts";
import { KeyLocks } from "./locks.ts";
import type { Authorizer } from "./request.ts";
import { Slices } from "./slices.ts";
import { Traces } from "./traces.ts";
import { Turns } from "./turns.ts";
import { WatchHub } from "./watch/hub.ts";

/** The logs of DESIGN D7 that hold Kubernetes objects. */
export type LogName = "cluster" | "events" | "leases";

/** Where Services get their addresses and ports from. */
export interface ServiceNetwork {
  /** IPv4, e.g. `10.96.0.0/16`. */
  readonly serviceCidr: string;
  /** First and last port, both usable, e.g. [30000, 32767]. */
  readonly nodePortRange: readonly [number, number];
}

export interface EngineOptions {
  readonly runtime: Runtime;
  readonly stores: Readonly<Record<LogName, Store>>;
  readonly projections: Readonly<Record<LogName, ProjectionReader & Borrower>>;
  readonly authorizer: Authorizer;
  readonly network: ServiceNetwork;
  readonly tokens: Pick<TokenIssuer, "audience" | "issue" | "verify">;
  readonly logger: Logger;
}

/** What one log is to the engine. */
export interface Log {
  readonly name: LogName;
  readonly store: Store;
  readonly projection: ProjectionReader & Borrower;
  readonly freshness: Freshness;
  readonly watches: WatchHub;
  readonly lists: ListCache;
  readonly earlier: Earlier;
}

/** Everything that the verbs share. */
export interface EngineContext extends EngineOptions {
  readonly logs: Readonly<Record<LogName, Log>>;
  readonly locks: KeyLocks;
  readonly traces: Traces;
  readonly turns: Turns;
  readonly slices: Slices;
}

export function createContext(options: EngineOptions): EngineContext {
  const logOf = (name: LogName): Log => {
    const store = options.stores[name];
    const projection = options.projections[name];
    const freshness = new Freshness(store, projection);
    const watches = new WatchHub(projection, options.runtime, options.logger);
    const lists = new ListCache(options.runtime.clock);
    const earlier = new Earlier(store, projection, options.runtime);
    return { name, store, projection, freshness, watches, lists, earlier };
  };
  const logs = { cluster: logOf("cluster"), events: logOf("events"), leases: logOf("leases") };
  const traces = new Traces();
  for (const { name, projection } of Object.values(logs)) traces.follow(name, projection);
  const turns = new Turns(options.runtime, logs.cluster.freshness);
  const slices = new Slices(options.runtime);
  return { ...options, logs, locks: new KeyLocks(), traces, turns, slices };
}

/** The log of a kind. Kinds that are not stored have none of their own; they look at `cluster`. */
export function logOfTable(context: EngineContext, table: KindTable): Log {
  return context.logs[table.log === "none" ? "cluster" : table.log];
}

/** The log of a stored group resource; what is no Kubernetes resource lives in `cluster`. */
export function logOfResource(context: EngineContext, resource: GroupResource): Log {
  const table = kindByResource(resource);
  return table ? logOfTable(context, table) : context.logs.cluster;
}

/** The group resource under which objects of the kind are stored. */
export function storedResource(table: KindTable): GroupResource {
  return table.storedAs ?? (table.group ? `${table.plural}.${table.group}` : table.plural);
}
