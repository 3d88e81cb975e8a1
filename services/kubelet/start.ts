import { mkdir, readFile } from "node:fs/promises";
import { createClient } from "../../shared/actor/client.ts";
import type { ActorDependencies, Running } from "../../shared/actor/dependencies.ts";
import { EventPublisher } from "../../shared/actor/events.ts";
import { type Feed, startFeed } from "../../shared/actor/feed.ts";
import type { DecisionSink } from "../../shared/actor/run.ts";
import type { Service } from "../../shared/api/generated/types.ts";
import { PodCgroups } from "./cgroups.ts";
import type { KubeletContext } from "./context.ts";
import type { NodeDescription } from "./decide/node.ts";
import { ImagePuller } from "./images/puller.ts";
import { Kubelet } from "./kubelet.ts";
import { startHeartbeats } from "./node/heartbeat.ts";
import { describeMachine, type Machine } from "./node/machine.ts";
import { NodeReporter } from "./node/reporter.ts";
import { RuntimeObserver } from "./observer.ts";
import type { NodeFacts } from "./pod/fields.ts";
import { parseResolver } from "./pod/network.ts";
import { KubeletPaths } from "./pod/paths.ts";
import { ProbeManager } from "./probes/manager.ts";
import type { ContainerRuntime } from "./runtimes/runtime.ts";
import { startLogRotation } from "./streams/rotation.ts";
import { serveNodeStreams } from "./streams/server.ts";
import { VolumeManager } from "./volumes/manager.ts";
import { References } from "./volumes/references.ts";
import { TokenManager } from "./volumes/tokens.ts";

export { SIMULATED_IDENTITY, startSimulatedNodes } from "./runtimes/simulated.ts";

const FEED_POLL_MS = 20;
const VERSION = "v1.35.0";

export interface KubeletConfig {
  readonly nodeName: string;
  /** Connected; the kubelet closes it when it stops. */
  readonly runtime: ContainerRuntime;
  /** Holds `pods/<uid>/...`; must be on a shared mount for mount propagation to work. */
  readonly rootDirectory: string;
  /** Holds container logs. */
  readonly logDirectory: string;
  /** The node's addresses, as pods and the API server reach it; the primary one first. */
  readonly hostIPs: readonly string[];
  readonly podCIDRs?: readonly string[];
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
  /** Parent of the pods' cgroups, e.g. `/kubepods`; absent: pods have none of their own. */
  readonly cgroupRoot?: string;
  /** The resolver configuration for pods that use the node's. Default `/etc/resolv.conf`. */
  readonly resolverFile?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly { key: string; value?: string; effect: string }[];
  /** Overrides what the machine has: nodes that share one machine divide it. */
  readonly capacity?: Readonly<Record<string, string>>;
  /** What is kept back from pods, subtracted from the capacity by the caller. Default: nothing. */
  readonly allocatable?: Readonly<Record<string, string>>;
  readonly heartbeatMs?: number;
  /** Where decisions are recorded. Default: nowhere. */
  readonly decisions?: DecisionSink;
}

/**
 * Starts the node agent: registers the node, runs the pods that are bound to it, reports on both,
 * serves their logs and streams. It holds no state of its own: stopped or killed at any instant,
 * the next one takes up what runs.
 */
export async function startKubelet(
  dependencies: ActorDependencies,
  config: KubeletConfig,
): Promise<Running> {
  const { runtime: environment, bus } = dependencies;
  await mkdir(config.rootDirectory, { recursive: true });
  const machine = await describeMachine(config.rootDirectory);
  const parts = await assemble(dependencies, config, machine);
  const { context, kubelet, feed } = parts;
  const reporter = new NodeReporter(context, await describeNode(config, machine));
  const stopHeartbeats = startHeartbeats(
    dependencies,
    [config.nodeName],
    config.heartbeatMs ?? 1_000,
  );
  context.observer.start();
  await context.observer.refresh();
  while (!feed.ready) await environment.timers.sleep(FEED_POLL_MS);
  reporter.start();
  kubelet.start();
  const streams = serveNodeStreams(bus, context, kubelet);
  const stopRotation = startLogRotation(context);
  return {
    stop: async () => {
      streams.stop();
      stopRotation();
      stopHeartbeats();
      reporter.stop();
      kubelet.stop();
      context.probes.stop();
      context.observer.stop();
      context.references.stop();
      feed.stop();
      config.runtime.close();
    },
  };
}

interface Parts {
  readonly context: KubeletContext;
  readonly kubelet: Kubelet;
  readonly feed: Feed;
}

async function assemble(
  dependencies: ActorDependencies,
  config: KubeletConfig,
  machine: Machine,
): Promise<Parts> {
  const { runtime: environment, logger, replica } = dependencies;
  const client = createClient({ ...dependencies, identity: `system:node:${config.nodeName}` });
  const feed = startFeed(client, environment, [
    { resource: "pods", fieldSelector: `spec.nodeName=${config.nodeName}` },
    { resource: "nodes", fieldSelector: `metadata.name=${config.nodeName}` },
    { resource: "services" },
  ]);
  const events = new EventPublisher(dependencies, client, "kubelet");
  const paths = new KubeletPaths(config.rootDirectory, config.logDirectory);
  const hostResolver = await readFile(config.resolverFile ?? "/etc/resolv.conf", "utf8").catch(
    () => "",
  );
  const dns = {
    servers: config.clusterDns,
    domain: config.clusterDomain,
    host: parseResolver(hostResolver),
  };
  const allocatable = { ...machine.capacity, ...config.capacity, ...config.allocatable };
  const node: NodeFacts = { name: config.nodeName, hostIPs: config.hostIPs, allocatable };
  const late: { kubelet?: Kubelet } = {};
  const observer = new RuntimeObserver({
    runtime: config.runtime,
    environment,
    logger,
    changed: (uid) => late.kubelet?.runtimeChanged(uid),
    returned: () => late.kubelet?.runtimeReturned(),
  });
  const cgroupRoot = config.cgroupRoot ?? "";
  const context: KubeletContext = {
    environment,
    logger,
    replica,
    client,
    projection: feed,
    runtime: config.runtime,
    observer,
    setup: {
      paths,
      dns,
      cgroupRoot: cgroupRoot || "/kubepods",
      memoryCapacity: machine.memoryBytes,
    },
    node,
    cgroups: cgroupRoot ? new PodCgroups(cgroupRoot) : undefined,
    volumes: new VolumeManager(paths, new TokenManager(client, environment)),
    references: new References(client, environment, (uid) => late.kubelet?.referencesChanged(uid)),
    images: new ImagePuller(config.runtime, environment),
    probes: new ProbeManager(config.runtime, environment),
    services: () => feed.list("services").map(({ object }) => object as Service),
    publish: (records) => events.publish(records),
    decisions: config.decisions ?? { append: () => undefined },
  };
  const kubelet = new Kubelet(context);
  late.kubelet = kubelet;
  return { context, kubelet, feed };
}

async function describeNode(
  config: KubeletConfig,
  machine: Machine,
): Promise<Omit<NodeDescription, "images" | "problems">> {
  const { nodeName, hostIPs, runtime } = config;
  const capacity = { ...machine.capacity, ...config.capacity };
  return {
    name: nodeName,
    labels: {
      "beta.kubernetes.io/arch": machine.architecture,
      "beta.kubernetes.io/os": "linux",
      "kubernetes.io/arch": machine.architecture,
      "kubernetes.io/hostname": nodeName,
      "kubernetes.io/os": "linux",
      ...config.labels,
    },
    ...(config.taints ? { taints: config.taints } : {}),
    ...(config.podCIDRs ? { podCIDRs: config.podCIDRs } : {}),
    addresses: [
      ...hostIPs.map((address) => ({ type: "InternalIP", address })),
      { type: "Hostname", address: nodeName },
    ],
    capacity,
    allocatable: { ...capacity, ...config.allocatable },
    nodeInfo: {
      architecture: machine.architecture,
      bootID: machine.bootID,
      containerRuntimeVersion: `${runtime.name}://${await runtime.version()}`,
      kernelVersion: machine.kernelVersion,
      kubeProxyVersion: VERSION,
      kubeletVersion: VERSION,
      machineID: machine.machineID,
      operatingSystem: "linux",
      osImage: machine.osImage,
      systemUUID: machine.systemUUID,
    },
  };
}
