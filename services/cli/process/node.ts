/** A node's process: kubelet, proxy and DNS, once the node has been prepared for them. */
import { join } from "node:path";
import { openDecisions } from "../../../nats/decisions.ts";
import type { Bus } from "../../../shared/actor/bus.ts";
import type { Running } from "../../../shared/actor/dependencies.ts";
import type { DecisionSink } from "../../../shared/actor/run.ts";
import { startDns } from "../../dns/start.ts";
import { CriRuntime } from "../../kubelet/runtimes/cri.ts";
import { startKubelet } from "../../kubelet/start.ts";
import { commands } from "../../node/command.ts";
import { type ClusterNetwork, clusterNetwork, SLOTS } from "../../node/network.ts";
import { type PreparedNode, prepareNode } from "../../node/prepare.ts";
import { startProxy } from "../../proxy/start.ts";
import { DNS, PROXY } from "../identities.ts";
import { hostAddress, processRuntime } from "../process-node.ts";
import { dependenciesOf } from "./bus.ts";
import type { ProcessContext } from "./context.ts";

export const CLUSTER_DOMAIN = "cluster.local";
/** The nodes of a machine answer DNS on one address, each on its own port from here on. */
const DNS_PORT = 10_053;

export async function runNode(context: ProcessContext): Promise<Running> {
  const { runtime, settings, paths, logger, name } = context;
  const node = settings.nodes.find((candidate) => `node-${candidate.name}` === name);
  if (node === undefined) throw new Error(`the cluster has no node for the process ${name}`);
  if (settings.runtime === "process") return runProcessNode(context, node.name);
  const network = clusterNetwork(settings.slot);
  const { connection, bus } = await context.connecting;
  const prepared = await prepareNode(
    { runtime, logger, command: commands(runtime) },
    {
      dataDirectory: paths.data,
      node: node.name,
      index: node.index,
      isolated: settings.nodes.length > 1,
      network,
    },
  );
  // Services and names first: pods that start may need them at once.
  const running: Running[] = [
    await startNodeProxy(context, bus, network, prepared, node.name),
    await startNodeDns(context, bus, network, node),
    await startNodeKubelet(context, bus, network, prepared, node.name, openDecisions(connection)),
  ];
  return {
    stop: async () => {
      for (const actor of running.reverse()) await actor.stop();
      await prepared.release();
    },
  };
}

/** The proxy of a node, or of the host itself where that is none. */
export function startNodeProxy(
  context: ProcessContext,
  bus: Bus,
  network: ClusterNetwork,
  prepared: Pick<PreparedNode, "networkNamespace">,
  node: string | undefined,
): Promise<Running> {
  const others = Array.from({ length: SLOTS }, (_, slot) => slot)
    .filter((slot) => slot !== network.slot)
    .map((slot) => clusterNetwork(slot).nodeCidr);
  return startProxy(dependenciesOf(context, bus), {
    identity: PROXY,
    networkNamespace: prepared.networkNamespace,
    node,
    table: network.table,
    serviceCidrs: [network.serviceCidr],
    clusterCidrs: [network.podCidr, network.nodeCidr],
    foreignCidrs: others,
  });
}

function startNodeDns(
  context: ProcessContext,
  bus: Bus,
  network: ClusterNetwork,
  { name, index }: { name: string; index: number },
): Promise<Running> {
  return startDns(dependenciesOf(context, bus), {
    identity: DNS,
    zone: {
      domain: CLUSTER_DOMAIN,
      dnsAddress: network.dnsAddress,
      cidrs: [network.podCidr, network.serviceCidr],
    },
    // On the host, which every node and every pod can reach.
    address: network.hostAddress,
    port: DNS_PORT + index,
    node: name,
  });
}

async function startNodeKubelet(
  context: ProcessContext,
  bus: Bus,
  network: ClusterNetwork,
  prepared: PreparedNode,
  node: string,
  decisions: DecisionSink,
): Promise<Running> {
  const { runtime, paths } = context;
  const cri = await CriRuntime.connect({
    endpoint: `unix://${prepared.criSocket}`,
    now: () => runtime.clock.now(),
    after: (ms, run) => runtime.timers.after(ms, run),
  });
  return startKubelet(dependenciesOf(context, bus), {
    nodeName: node,
    runtime: cri,
    rootDirectory: prepared.kubeletDirectory,
    logDirectory: join(paths.data, "nodes", node, "logs"),
    hostIPs: [prepared.address],
    podCIDRs: [prepared.podCidr],
    clusterDns: [network.dnsAddress],
    clusterDomain: CLUSTER_DOMAIN,
    cgroupRoot: prepared.cgroupRoot,
    decisions,
  });
}

/** A node whose pods are plain processes of this machine: no images, pod network or Services. */
async function runProcessNode(context: ProcessContext, node: string): Promise<Running> {
  const { paths, settings } = context;
  const { connection, bus } = await context.connecting;
  const hostIPs = [hostAddress()];
  return startKubelet(dependenciesOf(context, bus), {
    nodeName: node,
    runtime: processRuntime(context.runtime, paths, node),
    rootDirectory: join(paths.data, "nodes", node, "kubelet"),
    logDirectory: join(paths.data, "nodes", node, "logs"),
    hostIPs,
    clusterDns: [clusterNetwork(settings.slot).dnsAddress],
    clusterDomain: CLUSTER_DOMAIN,
    decisions: openDecisions(connection),
  });
}
