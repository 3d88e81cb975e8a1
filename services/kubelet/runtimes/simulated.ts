import { createClient, type WatchHandle } from "../../../shared/actor/client.ts";
import type { ActorDependencies, Running } from "../../../shared/actor/dependencies.ts";
import { EventPublisher } from "../../../shared/actor/events.ts";
import type { FeedWatch } from "../../../shared/actor/feed.ts";
import { PlanBatcher } from "../../../shared/actor/plan-batcher.ts";
import type { Node } from "../../../shared/api/generated/types.ts";
import type { NodeDescription } from "../decide/node.ts";
import type { Stage } from "../decide/stages.ts";
import { AddressPool, addressNumber, addressText } from "../node/addresses.ts";
import { startHeartbeats } from "../node/heartbeat.ts";
import { type Follower, follow } from "../simulated/follow.ts";
import { NodeRegistrar, type SimulatedNode } from "../simulated/nodes.ts";
import { PodPlayer } from "../simulated/pods.ts";
import { builtInStages } from "../stages/load.ts";

/** How many simulated nodes there are, and what each looks like. */
export interface SimulatedNodesConfig {
  readonly count: number;
  /** Nodes are called `<prefix>-0` and so on. */
  readonly prefix: string;
  /** Nodes that there are already, beside the others: with the names and addresses they have. */
  readonly existing?: readonly Node[];
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
const HEARTBEAT_MS = 1_000;
/** For pods of a node that was given no addresses for them. */
const SPARE_POD_NETWORK = "100.127.0.0/16";

/**
 * Starts the nodes: one process, one connection, one watch of pods and one of nodes for all of
 * them. Resolves once both have told what there is and the nodes are being registered.
 */
export async function startSimulatedNodes(
  dependencies: ActorDependencies,
  config: SimulatedNodesConfig,
): Promise<Running> {
  const identity = config.identity ?? SIMULATED_IDENTITY;
  const client = createClient({ ...dependencies, identity });
  const plans = new PlanBatcher(client, dependencies);
  const nodes = describeNodes(config);
  const registrar = new NodeRegistrar(dependencies, plans, nodes);
  const player = new PodPlayer({
    dependencies,
    plans,
    events: new EventPublisher(dependencies, client, "kubelet"),
    stages: config.stages ?? builtInStages(),
    nodes,
  });
  const [pods, own] = watchesOf(config, identity);
  const handles: WatchHandle[] = [];
  for (const [watch, follower] of [
    [pods, player],
    [own, registrar],
  ] as const) {
    await new Promise<void>((resolve) => {
      const synced = (): void => {
        follower.synced();
        resolve();
      };
      const known = () => follower.known();
      const changed: Follower["changed"] = (key, object) => follower.changed(key, object);
      handles.push(follow(client, watch, { known, changed, synced }));
    });
  }
  const names = [...nodes.keys()];
  const stopHeartbeats = startHeartbeats(dependencies, names, config.heartbeatMs ?? HEARTBEAT_MS);
  return {
    stop: async () => {
      stopHeartbeats();
      for (const handle of handles) handle.stop();
      registrar.stop();
      player.stop();
    },
  };
}

/** One node may speak as itself; it then follows only what a node agent may read. */
function watchesOf(
  { prefix, count }: SimulatedNodesConfig,
  identity: string,
): [pods: FeedWatch, nodes: FeedWatch] {
  const node = `${prefix}-0`;
  if (count !== 1 || identity !== `system:node:${node}`) {
    return [{ resource: "pods", fieldSelector: "spec.nodeName!=" }, { resource: "nodes" }];
  }
  return [
    { resource: "pods", fieldSelector: `spec.nodeName=${node}` },
    { resource: "nodes", fieldSelector: `metadata.name=${node}` },
  ];
}

function describeNodes(config: SimulatedNodesConfig): Map<string, SimulatedNode> {
  const firstPod = addressNumber((config.podNetwork ?? "100.64.0.0/10").split("/")[0] as string);
  const firstNode = addressNumber((config.nodeNetwork ?? "198.18.0.0/15").split("/")[0] as string);
  const nodes = new Map<string, SimulatedNode>();
  for (let index = 0; index < config.count; index++) {
    const name = `${config.prefix}-${index}`;
    const address = addressText(firstNode + index + 1);
    const podCIDR = `${addressText(firstPod + index * 256)}/24`;
    const describe = () => describeNode(config, name, address, podCIDR);
    nodes.set(name, { address, addresses: new AddressPool(podCIDR), describe });
  }
  for (const node of config.existing ?? []) nodes.set(node.metadata.name, inPlaceOf(node));
  return nodes;
}

/** Stands in for a node that is not there any more. */
function inPlaceOf({ metadata, spec, status }: Node): SimulatedNode {
  const { addresses = [], capacity = {}, allocatable = capacity, nodeInfo, images } = status ?? {};
  const [podCIDR = SPARE_POD_NETWORK] = spec?.podCIDRs ?? [];
  const internal = addresses.find(({ type }) => type === "InternalIP");
  const description: NodeDescription = {
    name: metadata.name,
    labels: metadata.labels ?? {},
    addresses,
    capacity: amountsIn(capacity),
    allocatable: amountsIn(allocatable),
    nodeInfo: nodeInfo as NodeDescription["nodeInfo"],
    problems: [],
    ...(images && { images: images as NonNullable<NodeDescription["images"]> }),
  };
  return {
    address: internal?.address ?? metadata.name,
    addresses: new AddressPool(podCIDR),
    describe: () => description,
  };
}

function amountsIn(quantities: Readonly<Record<string, string | number>>) {
  return Object.fromEntries(Object.entries(quantities).map(([name, is]) => [name, String(is)]));
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
