import { type ApiClient, createClient } from "../../shared/actor/client.ts";
import type { ActorDependencies, Running } from "../../shared/actor/dependencies.ts";
import { type Feed, type FeedWatch, startFeed } from "../../shared/actor/feed.ts";
import { snapshotOf } from "../../shared/actor/snapshot.ts";
import type { ProjectionReader } from "../../shared/store/view.ts";
import { type Command, commands } from "../node/command.ts";
import { flowSignature } from "./flows.ts";
import { Kernel } from "./kernel.ts";
import { buildRules, type NodeFacts } from "./rules.ts";
import { hostPorts, servicePorts } from "./services.ts";

export interface ProxyConfig extends NodeFacts {
  /** User name for the watches: `system:node:<name>`, or another that may read Services. */
  readonly identity: string;
  /** Network namespace (a path) of the node; undefined: the host's. */
  readonly networkNamespace: string | undefined;
  /** Instead of a feed of its own: services, endpoint slices, the node and its pods. */
  readonly projection?: ProjectionReader;
  readonly client?: ApiClient;
  /** How programs are run; default: for real. */
  readonly command?: Command;
}

/** Changes come in bursts (a rollout); the first one waits this long for its companions. */
const GATHER_MS = 10;
/** At most one load per this time while changes keep coming. */
const PACE_MS = 100;
/** How often somebody looks whether the table is still there. */
const CHECK_MS = 5_000;
const RETRY_MS_MAX = 10_000;

/** A started proxy, and what its health is judged by. */
export interface RunningProxy extends Running {
  /** Resolves once the rules of the present state are in the kernel. */
  settled(): Promise<void>;
}

/**
 * Keeps the node's packet filter in step with Services and EndpointSlices. Stopping leaves the
 * rules in place: traffic goes on while the process is replaced.
 */
export async function startProxy(
  dependencies: ActorDependencies,
  config: ProxyConfig,
): Promise<RunningProxy> {
  const feed = config.projection === undefined ? ownFeed(dependencies, config) : undefined;
  const projection = config.projection ?? (feed as Feed);
  const proxy = new ServiceProxy(dependencies, config, projection);
  proxy.start();
  return {
    settled: () => proxy.settled(),
    stop: async () => {
      await proxy.stop();
      feed?.stop();
    },
  };
}

/** What the proxy of a node reads. */
export function proxyWatches(node: string | undefined): FeedWatch[] {
  const watches: FeedWatch[] = [
    { resource: "services" },
    { resource: "endpointslices.discovery.k8s.io" },
  ];
  if (node !== undefined) {
    watches.push({ resource: "nodes", fieldSelector: `metadata.name=${node}` });
    watches.push({ resource: "pods", fieldSelector: `spec.nodeName=${node}` });
  }
  return watches;
}

function ownFeed(dependencies: ActorDependencies, config: ProxyConfig): Feed {
  const client = config.client ?? createClient({ ...dependencies, identity: config.identity });
  return startFeed(client, dependencies.runtime, proxyWatches(config.node));
}

class ServiceProxy {
  readonly #dependencies: ActorDependencies;
  readonly #config: ProxyConfig;
  readonly #projection: ProjectionReader;
  readonly #kernel: Kernel;
  /** What the UDP flows were last compared with. */
  #flows = "";
  #checking = false;
  #dirty = true;
  #failures = 0;
  #lastLoad = Number.NEGATIVE_INFINITY;
  #cancelTimer: (() => void) | undefined;
  #cancelCheck: () => void = () => undefined;
  #unsubscribe: () => void = () => undefined;
  #work: Promise<void> = Promise.resolve();
  #stopped = false;
  #waiting: (() => void)[] = [];

  constructor(dependencies: ActorDependencies, config: ProxyConfig, projection: ProjectionReader) {
    this.#dependencies = dependencies;
    this.#config = config;
    this.#projection = projection;
    this.#kernel = new Kernel({
      command: config.command ?? commands(dependencies.runtime),
      logger: dependencies.logger,
      networkNamespace: config.networkNamespace,
    });
  }

  start(): void {
    this.#unsubscribe = this.#projection.subscribe(undefined, () => this.#mark());
    const { timers } = this.#dependencies.runtime;
    this.#cancelCheck = timers.every(CHECK_MS, () => {
      if (!this.#checking) this.#enqueue(() => this.#check());
      this.#checking = true;
    });
    this.#schedule(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe();
    this.#cancelCheck();
    this.#cancelTimer?.();
    await this.#work;
  }

  settled(): Promise<void> {
    if (!this.#dirty) return this.#work;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #mark(): void {
    this.#dirty = true;
    const since = this.#dependencies.runtime.clock.monotonic() - this.#lastLoad;
    if (this.#cancelTimer === undefined) this.#schedule(Math.max(GATHER_MS, PACE_MS - since));
  }

  #schedule(ms: number): void {
    if (this.#stopped) return;
    this.#cancelTimer?.();
    this.#cancelTimer = this.#dependencies.runtime.timers.after(ms, () => {
      this.#cancelTimer = undefined;
      this.#enqueue(() => this.#load());
    });
  }

  /** One thing at a time: loads and checks must not overtake one another. */
  #enqueue(run: () => Promise<void>): void {
    this.#work = this.#work.then(() => (this.#stopped ? undefined : run()));
  }

  async #load(): Promise<void> {
    // An empty start would take the rules of all Services away until the feed has come.
    if (!this.#projection.ready) {
      this.#schedule(GATHER_MS);
      return;
    }
    const { runtime, logger } = this.#dependencies;
    this.#dirty = false;
    try {
      const at = snapshotOf(this.#projection, runtime.clock.now());
      const ports = servicePorts(at, this.#config.node);
      const rules = buildRules(ports, hostPorts(at, this.#config.node), this.#config);
      const changed = await this.#kernel.apply(rules);
      this.#lastLoad = runtime.clock.monotonic();
      this.#failures = 0;
      if (changed) logger.debug({ ports: ports.length }, "service rules loaded");
      const flows = flowSignature(ports);
      if (flows !== this.#flows) await this.#kernel.forgetStale(ports);
      this.#flows = flows;
    } catch (error) {
      this.#failures++;
      this.#dirty = true;
      logger.error({ err: error }, "service rules could not be loaded");
      this.#schedule(Math.min(PACE_MS * 2 ** this.#failures, RETRY_MS_MAX));
      return;
    }
    if (this.#dirty) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async #check(): Promise<void> {
    this.#checking = false;
    if (this.#dirty || (await this.#kernel.intact())) return;
    this.#dependencies.logger.warn(
      { table: this.#config.table },
      "service rules were changed by others; loading them anew",
    );
    this.#dirty = true;
    await this.#load();
  }
}
