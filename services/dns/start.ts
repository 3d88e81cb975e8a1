import { readFileSync } from "node:fs";
import { type ApiClient, createClient } from "../../shared/actor/client.ts";
import type { Snapshot } from "../../shared/actor/controller.ts";
import type { ActorDependencies, Running } from "../../shared/actor/dependencies.ts";
import { type FeedWatch, startFeed } from "../../shared/actor/feed.ts";
import type { Plan } from "../../shared/actor/plan.ts";
import { snapshotOf } from "../../shared/actor/snapshot.ts";
import type { ProjectionReader } from "../../shared/store/view.ts";
import { answer, type Zone } from "./answer.ts";
import { Forwarder, type Upstream, upstreamsOf } from "./forward.ts";
import { DNS_SERVICE, type DnsPlace, planService, planSlice, sliceName } from "./objects.ts";
import { startDnsServer } from "./server.ts";

export interface DnsConfig {
  /** User name for watches and writes. */
  readonly identity: string;
  readonly zone: Zone;
  /** Address and port to listen on; every pod of the node must reach it. */
  readonly address: string;
  readonly port: number;
  /** The node whose endpoint of kube-dns this is; undefined: none, the server only answers. */
  readonly node: string | undefined;
  /** Default: the name servers of /etc/resolv.conf. */
  readonly upstreams?: readonly Upstream[];
  /** Instead of a feed of its own: services, endpoint slices, namespaces, the node. */
  readonly projection?: ProjectionReader;
  readonly client?: ApiClient;
}

export interface RunningDns extends Running {
  readonly port: number;
}

const RESOLV_CONF = "/etc/resolv.conf";
/** After a plan was refused or nobody answered. */
const RETRY_MS = 1000;
/** Until the first listing has come. */
const NOT_READY_MS = 20;

/** Starts a node's DNS server, and sees that `kube-dns` and this node's endpoint of it exist. */
export async function startDns(
  dependencies: ActorDependencies,
  config: DnsConfig,
): Promise<RunningDns> {
  const { runtime, logger } = dependencies;
  const client = config.client ?? createClient({ ...dependencies, identity: config.identity });
  const feed =
    config.projection === undefined
      ? startFeed(client, runtime, dnsWatches(config.node))
      : undefined;
  const projection = config.projection ?? (feed as ProjectionReader);
  const upstreams = config.upstreams ?? systemUpstreams(config);
  if (upstreams.length === 0) logger.warn({}, "no name servers for names outside the cluster");
  const server = await startDnsServer({
    runtime,
    logger,
    address: config.address,
    port: config.port,
    forwarder: new Forwarder({ runtime, upstreams }),
    answer: (question) =>
      projection.ready
        ? answer(question, snapshotOf(projection, runtime.clock.now()), config.zone)
        : "later",
  }).catch((error: unknown) => {
    feed?.stop();
    throw error;
  });
  const registrar =
    config.node === undefined
      ? undefined
      : new Registrar(dependencies, client, projection, {
          node: config.node,
          address: config.address,
          port: server.port,
          dnsAddress: config.zone.dnsAddress,
        });
  registrar?.start();
  return {
    port: server.port,
    stop: async () => {
      await registrar?.stop();
      await server.close();
      feed?.stop();
    },
  };
}

/** What a node's DNS actor reads. */
export function dnsWatches(node: string | undefined): FeedWatch[] {
  const watches: FeedWatch[] = [
    { resource: "services" },
    { resource: "endpointslices.discovery.k8s.io" },
    { resource: "namespaces" },
  ];
  if (node !== undefined) {
    watches.push({ resource: "nodes", fieldSelector: `metadata.name=${node}` });
  }
  return watches;
}

/** The machine's name servers, without this one and without the cluster's own address. */
function systemUpstreams(config: DnsConfig): Upstream[] {
  let text = "";
  try {
    text = readFileSync(RESOLV_CONF, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const own = new Set([config.zone.dnsAddress, ...(config.port === 53 ? [config.address] : [])]);
  return upstreamsOf(text, (address) => own.has(address));
}

/** Commits what is missing of kube-dns, whenever something of it changes. */
class Registrar {
  readonly #dependencies: ActorDependencies;
  readonly #client: ApiClient;
  readonly #projection: ProjectionReader;
  readonly #place: DnsPlace;
  #unsubscribe: () => void = () => undefined;
  #cancel: (() => void) | undefined;
  #pass: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  constructor(
    dependencies: ActorDependencies,
    client: ApiClient,
    projection: ProjectionReader,
    place: DnsPlace,
  ) {
    this.#dependencies = dependencies;
    this.#client = client;
    this.#projection = projection;
    this.#place = place;
  }

  start(): void {
    const names = new Set([DNS_SERVICE, sliceName(this.#place.node), this.#place.node]);
    this.#unsubscribe = this.#projection.subscribe(undefined, ({ entry }) => {
      if (names.has(entry.name)) this.#wake(0);
    });
    this.#wake(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe();
    this.#cancel?.();
    await this.#pass;
  }

  #wake(ms: number): void {
    if (this.#stopped || (this.#cancel !== undefined && ms > 0)) return;
    this.#cancel?.();
    this.#cancel = this.#dependencies.runtime.timers.after(ms, () => {
      this.#cancel = undefined;
      this.#again = true;
      this.#pass ??= this.#run().finally(() => {
        this.#pass = undefined;
      });
    });
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      if (!this.#projection.ready) {
        this.#wake(NOT_READY_MS);
        return;
      }
      const service = await this.#commit((at) => planService(at, this.#place));
      const slice = await this.#commit((at) => planSlice(at, this.#place));
      if (!service || !slice) this.#wake(RETRY_MS);
    }
  }

  /** @returns false when the plan has to be made again. */
  async #commit(decide: (at: Snapshot) => Plan): Promise<boolean> {
    const { runtime, logger, replica } = this.#dependencies;
    const at = snapshotOf(this.#projection, runtime.clock.now());
    const plan = decide(at);
    if (plan.actions.length === 0) return true;
    try {
      const response = await this.#client.plan({
        trace: runtime.ids.ulid(),
        actor: "dns",
        replica,
        cause: 0,
        decidedAt: at.revision,
        actions: plan.actions,
      });
      if (response.outcome === "committed") {
        logger.info({ revision: response.revision }, plan.reason ?? "kube-dns");
        await this.#projection.waitFor(response.revision, RETRY_MS);
        return true;
      }
      logger.debug({ status: response.status }, "kube-dns could not be written");
    } catch (error) {
      logger.debug({ err: error }, "kube-dns could not be written");
    }
    return false;
  }
}
