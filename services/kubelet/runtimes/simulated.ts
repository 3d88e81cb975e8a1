import { type ApiClient, createClient } from "../../../shared/actor/client.ts";
import type { ActorDependencies, Running } from "../../../shared/actor/dependencies.ts";
import { EventPublisher } from "../../../shared/actor/events.ts";
import { type FeedWatch, startFeed } from "../../../shared/actor/feed.ts";
import type { Action } from "../../../shared/actor/plan.ts";
import type { Node, Pod } from "../../../shared/api/generated/types.ts";
import { keyOf } from "../../../shared/api/key.ts";
import type { Cancel } from "../../../shared/runtime/runtime.ts";
import type { Change, ProjectionReader } from "../../../shared/store/view.ts";
import { type NodeDescription, reconcileNode } from "../decide/node.ts";
import { chooseStage, type Stage, stageDelay, stagedStatus } from "../decide/stages.ts";
import { AddressPool, addressNumber, addressText } from "../node/addresses.ts";
import { startHeartbeats } from "../node/heartbeat.ts";
import { builtInStages } from "../stages/load.ts";

/** How many simulated nodes there are, and what each looks like. */
export interface SimulatedNodesConfig {
  readonly count: number;
  /** Nodes are called `<prefix>-0` and so on. */
  readonly prefix: string;
  /** Capacity of each node; allocatable is the same. Default: 32 CPUs, 256Gi, 110 pods. */
  readonly capacity?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly { key: string; value?: string; effect: string }[];
  /** Pod addresses: each node has a /24 of it. */
  readonly podNetwork?: string;
  /** Node addresses, one each. */
  readonly nodeNetwork?: string;
  readonly heartbeatMs?: number;
  /** How pods live on the nodes. Default: the built-in stages (stages/load.ts). */
  readonly stages?: readonly Stage[];
  /** The Kubernetes user as which the process speaks. Default: see SIMULATED_IDENTITY. */
  readonly identity?: string;
}

const DEFAULT_CAPACITY = { cpu: "32", memory: "256Gi", "ephemeral-storage": "1Ti", pods: "110" };
/**
 * One identity for all nodes of a process: unlike a node agent it may read every pod and node, and
 * write the status of any.
 */
export const SIMULATED_IDENTITY = "system:controller:simulated-nodes";
const SIMULATED_LABEL = "coxswain.dev/simulated";
/** First wait after a refused or failed write; doubles up to the most. */
const RETRY_MS = 50;
const RETRY_MOST_MS = 5_000;

/** How often a feed that has just started is looked at, milliseconds. */
const FEED_POLL_MS = 20;

/**
 * Starts the nodes: one process, one connection, one feed for all of them. Resolves once the feed
 * is there and the nodes are being registered.
 */
export async function startSimulatedNodes(
  dependencies: ActorDependencies,
  config: SimulatedNodesConfig,
): Promise<Running> {
  const { runtime } = dependencies;
  const identity = config.identity ?? SIMULATED_IDENTITY;
  const client = createClient({ ...dependencies, identity });
  const feed = startFeed(client, runtime, watchesOf(config, identity));
  while (!feed.ready) await runtime.timers.sleep(FEED_POLL_MS);
  const nodes = new SimulatedNodes(dependencies, { client, projection: feed }, config);
  nodes.start();
  return {
    stop: async () => {
      await nodes.stop();
      feed.stop();
    },
  };
}

/** One node may speak as itself; it then follows only what a node agent may read. */
function watchesOf({ prefix, count }: SimulatedNodesConfig, identity: string): FeedWatch[] {
  const node = `${prefix}-0`;
  if (count !== 1 || identity !== `system:node:${node}`) {
    return [{ resource: "pods" }, { resource: "nodes" }];
  }
  return [
    { resource: "pods", fieldSelector: `spec.nodeName=${node}` },
    { resource: "nodes", fieldSelector: `metadata.name=${node}` },
  ];
}

/** What the nodes need beside the ordinary dependencies. */
export interface SimulatedNodesConnections {
  readonly client: ApiClient;
  /** Pods and nodes. */
  readonly projection: ProjectionReader;
}

/**
 * Many nodes in one process: registers them, sends their heartbeats, and plays the stages of the
 * pods that are bound to them. Keeps nothing that it could not find again in the cluster: after a
 * crash it goes on from the pods' statuses.
 */
export class SimulatedNodes implements Running {
  readonly #dependencies: ActorDependencies;
  readonly #client: ApiClient;
  readonly #projection: ProjectionReader;
  readonly #events: EventPublisher;
  readonly #config: SimulatedNodesConfig;
  readonly #stages: readonly Stage[];
  readonly #nodes: ReadonlyMap<string, SimulatedNode>;
  readonly #pods = new Map<string, ScheduledStage>();
  readonly #nodeWrites = new Set<string>();
  readonly #stops: (() => void)[] = [];
  #stopped = false;

  constructor(
    dependencies: ActorDependencies,
    connections: SimulatedNodesConnections,
    config: SimulatedNodesConfig,
  ) {
    this.#dependencies = dependencies;
    this.#client = connections.client;
    this.#projection = connections.projection;
    this.#events = new EventPublisher(dependencies, connections.client, "kubelet");
    this.#config = config;
    this.#stages = config.stages ?? builtInStages();
    this.#nodes = describeNodes(config);
  }

  /** Begins; the projection must be ready. */
  start(): void {
    for (const entry of this.#projection.list("pods")) this.#takeAddress(entry.object as Pod);
    for (const name of this.#nodes.keys()) this.#checkNode(name, 0);
    for (const entry of this.#projection.list("pods"))
      this.#consider(entry.key, entry.object as Pod);
    this.#stops.push(
      this.#projection.subscribe("pods", (change) => this.#podChanged(change)),
      this.#projection.subscribe("nodes", (change) => this.#checkNode(change.entry.name, 0)),
      startHeartbeats(
        this.#dependencies,
        [...this.#nodes.keys()],
        this.#config.heartbeatMs ?? 1_000,
      ),
    );
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const stop of this.#stops) stop();
    for (const scheduled of this.#pods.values()) scheduled.cancel();
    this.#pods.clear();
  }

  #podChanged(change: Change): void {
    const pod = change.entry.object as Pod;
    if (change.type === "DELETED") this.#forget(change.entry.key, pod);
    else this.#consider(change.entry.key, pod);
  }

  #forget(key: string, pod: Pod): void {
    const scheduled = this.#pods.get(key);
    if (scheduled?.uid !== pod.metadata.uid) return;
    scheduled?.cancel();
    this.#pods.delete(key);
    const node = this.#nodes.get(pod.spec?.nodeName ?? "");
    if (scheduled?.podIP) node?.addresses.release(scheduled.podIP);
  }

  #takeAddress(pod: Pod): void {
    const node = this.#nodes.get(pod.spec?.nodeName ?? "");
    if (node && pod.status?.podIP) node.addresses.take(pod.status.podIP);
  }

  /** Sets the timer of the stage that the pod is in, unless it is set already. */
  #consider(key: string, pod: Pod): void {
    const node = this.#nodes.get(pod.spec?.nodeName ?? "");
    if (!node || this.#stopped) return;
    const before = this.#pods.get(key);
    const stage = chooseStage(this.#stages, pod);
    const restarts = pod.status?.containerStatuses?.[0]?.restartCount ?? 0;
    const state = `${pod.metadata.uid}/${stage?.name}/${restarts}`;
    if (before?.state === state) return;
    if (before && before.uid !== pod.metadata.uid && before.podIP)
      node.addresses.release(before.podIP);
    before?.cancel();
    const podIP =
      pod.status?.podIP || (before?.uid === pod.metadata.uid ? before?.podIP : undefined);
    const scheduled: ScheduledStage = {
      uid: pod.metadata.uid ?? "",
      state,
      podIP: pod.spec?.hostNetwork ? undefined : podIP,
      cancel: () => undefined,
    };
    this.#pods.set(key, scheduled);
    if (stage) this.#schedule(key, scheduled, stageDelay(stage, pod), RETRY_MS);
  }

  #schedule(key: string, scheduled: ScheduledStage, delayMs: number, retryMs: number): void {
    scheduled.cancel = this.#dependencies.runtime.timers.after(delayMs, () => {
      void this.#play(key, scheduled, retryMs);
    });
  }

  async #play(key: string, scheduled: ScheduledStage, retryMs: number): Promise<void> {
    const entry = this.#projection.get(key);
    const pod = entry?.object as Pod | undefined;
    if (!entry || !pod || pod.metadata.uid !== scheduled.uid || this.#pods.get(key) !== scheduled)
      return;
    const stage = chooseStage(this.#stages, pod);
    if (!stage) return;
    try {
      const response = await this.#client.plan({
        trace: this.#dependencies.runtime.ids.ulid(),
        actor: "kubelet",
        replica: this.#dependencies.replica,
        cause: entry.revision,
        decidedAt: this.#projection.revision,
        actions: [this.#actionOf(stage, key, pod, scheduled)],
      });
      if (response.outcome === "committed") return this.#report(stage, pod);
    } catch (error) {
      this.#dependencies.logger.debug({ err: error, pod: key }, "a stage could not be written");
    }
    if (this.#stopped || this.#pods.get(key) !== scheduled) return;
    this.#schedule(key, scheduled, retryMs, Math.min(retryMs * 2, RETRY_MOST_MS));
  }

  #actionOf(stage: Stage, key: string, pod: Pod, scheduled: ScheduledStage): Action {
    const uid = scheduled.uid;
    if (stage.next.delete) return { op: "delete", key, uid, gracePeriodSeconds: 0 };
    const node = this.#nodes.get(pod.spec?.nodeName ?? "") as SimulatedNode;
    if (!pod.spec?.hostNetwork) scheduled.podIP ??= node.addresses.allocate();
    const place = {
      hostIP: node.address,
      podIP: scheduled.podIP ?? node.address,
      now: this.#dependencies.runtime.clock.now(),
    };
    const status = stagedStatus(stage, pod, place);
    const expect = pod.metadata.resourceVersion;
    return {
      op: "patch",
      key,
      patch: { status },
      subresource: "status",
      ...(expect ? { expect } : {}),
    };
  }

  #report(stage: Stage, pod: Pod): void {
    const event = stage.next.event;
    if (!event) return;
    const { name, namespace = "", uid = "" } = pod.metadata;
    this.#events.publish([{ ...event, regarding: { resource: "pods", namespace, name, uid } }]);
  }

  /** Brings the Node object in line, one write at a time. */
  #checkNode(name: string, waitMs: number): void {
    if (!this.#nodes.has(name) || this.#nodeWrites.has(name) || this.#stopped) return;
    this.#nodeWrites.add(name);
    this.#dependencies.runtime.timers.after(waitMs, () => void this.#writeNode(name, waitMs));
  }

  async #writeNode(name: string, waitedMs: number): Promise<void> {
    const { runtime, replica, logger } = this.#dependencies;
    const { description } = this.#nodes.get(name) as SimulatedNode;
    const entry = this.#projection.get(keyOf("nodes", undefined, name));
    const actions = reconcileNode(
      description,
      entry?.object as Node | undefined,
      runtime.clock.now(),
    );
    let settled = actions.length === 0;
    try {
      if (!settled && !this.#stopped) {
        const response = await this.#client.plan({
          trace: runtime.ids.ulid(),
          actor: "kubelet",
          replica,
          cause: entry?.revision ?? 0,
          decidedAt: this.#projection.revision,
          // One write of a key at a time: the next is decided on what this one made.
          actions: actions.slice(0, 1),
        });
        settled = response.outcome === "committed" && actions.length === 1;
      }
    } catch (error) {
      logger.warn({ err: error, node: name }, "the node could not be written");
    }
    this.#nodeWrites.delete(name);
    if (!settled) this.#checkNode(name, Math.min(Math.max(waitedMs * 2, RETRY_MS), RETRY_MOST_MS));
  }
}

interface ScheduledStage {
  readonly uid: string;
  /** Pod, stage and restart count that the timer is for. */
  readonly state: string;
  podIP: string | undefined;
  cancel: Cancel;
}

interface SimulatedNode {
  readonly address: string;
  readonly addresses: AddressPool;
  readonly description: NodeDescription;
}

function describeNodes(config: SimulatedNodesConfig): Map<string, SimulatedNode> {
  const firstPod = addressNumber((config.podNetwork ?? "100.64.0.0/10").split("/")[0] as string);
  const firstNode = addressNumber((config.nodeNetwork ?? "198.18.0.0/15").split("/")[0] as string);
  const nodes = new Map<string, SimulatedNode>();
  for (let index = 0; index < config.count; index++) {
    const name = `${config.prefix}-${index}`;
    const address = addressText(firstNode + index + 1);
    const podCIDR = `${addressText(firstPod + index * 256)}/24`;
    const description = describeNode(config, name, address, podCIDR);
    nodes.set(name, { address, addresses: new AddressPool(podCIDR), description });
  }
  return nodes;
}

function describeNode(
  config: SimulatedNodesConfig,
  name: string,
  address: string,
  podCIDR: string,
): NodeDescription {
  const capacity = { ...DEFAULT_CAPACITY, ...config.capacity };
  return {
    name,
    labels: {
      "kubernetes.io/hostname": name,
      "kubernetes.io/os": "linux",
      "kubernetes.io/arch": "amd64",
      "beta.kubernetes.io/os": "linux",
      "beta.kubernetes.io/arch": "amd64",
      [SIMULATED_LABEL]: "true",
      ...config.labels,
    },
    ...(config.taints ? { taints: config.taints } : {}),
    podCIDRs: [podCIDR],
    addresses: [
      { type: "InternalIP", address },
      { type: "Hostname", address: name },
    ],
    capacity,
    allocatable: capacity,
    nodeInfo: {
      architecture: "amd64",
      bootID: "",
      containerRuntimeVersion: "simulated://1.0",
      kernelVersion: "simulated",
      kubeProxyVersion: "v1.35.0",
      kubeletVersion: "v1.35.0",
      machineID: "",
      operatingSystem: "linux",
      osImage: "simulated",
      systemUUID: "",
    },
    problems: [],
  };
}
