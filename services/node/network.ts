/**
 * Which addresses a cluster uses on this machine. Several clusters share a machine by taking
 * different slots; everything follows from the slot's number.
 */
export interface ClusterNetwork {
  readonly slot: number;
  /** All pods: 10.(244-slot).0.0/16; each node gets a /24 of it. */
  readonly podCidr: string;
  /** ClusterIPs: 10.(96+slot).0.0/16. */
  readonly serviceCidr: string;
  /** Nodes and the host among each other: 172.30.slot.0/24. */
  readonly nodeCidr: string;
  /** The host in nodeCidr: there the API server and DNS can be reached from every pod. */
  readonly hostAddress: string;
  /** ClusterIP of the Service kube-dns. */
  readonly dnsAddress: string;
  /** ClusterIP of the Service kubernetes. */
  readonly kubernetesAddress: string;
  /** The bridge that carries hostAddress. */
  readonly bridge: string;
  /** The nftables table of this cluster. */
  readonly table: string;
}

/** One node's share of a ClusterNetwork. */
export interface NodeNetwork {
  readonly podCidr: string;
  /** The node's own address in nodeCidr. */
  readonly address: string;
  /** Path of the node's network namespace; undefined: the node is the host itself. */
  readonly namespace: string | undefined;
  /** The host's end of the node's cable; undefined: the node is the host itself. */
  readonly cable: string | undefined;
}

export const SLOTS = 16;
/** Nodes per cluster that fit into nodeCidr beside the host. */
export const NODES_MAX = 240;
const FIRST_NODE_ADDRESS = 11;
const NAMESPACES = "/run/netns";

/** @throws RangeError unless the slot is a whole number from 0 to 15. */
export function clusterNetwork(slot: number): ClusterNetwork {
  if (!Number.isInteger(slot) || slot < 0 || slot >= SLOTS) {
    throw new RangeError(`network slot ${slot} is not between 0 and ${SLOTS - 1}`);
  }
  return {
    slot,
    podCidr: `10.${244 - slot}.0.0/16`,
    serviceCidr: `10.${96 + slot}.0.0/16`,
    nodeCidr: `172.30.${slot}.0/24`,
    hostAddress: `172.30.${slot}.1`,
    dnsAddress: `10.${96 + slot}.0.10`,
    kubernetesAddress: `10.${96 + slot}.0.1`,
    bridge: `cox${slot}`,
    table: `coxswain-${slot}`,
  };
}

/**
 * The network of the cluster's node number `index` (from 0). `isolated`: it lives in a network
 * namespace of its own, as every node does when there are several on the machine.
 * @throws RangeError when the cluster has no room for that index.
 */
export function nodeNetwork(
  network: ClusterNetwork,
  node: string,
  index: number,
  isolated: boolean,
): NodeNetwork {
  if (!Number.isInteger(index) || index < 0 || index >= NODES_MAX) {
    throw new RangeError(`node index ${index} is not between 0 and ${NODES_MAX - 1}`);
  }
  const podCidr = `10.${244 - network.slot}.${index}.0/24`;
  if (!isolated) {
    return { podCidr, address: network.hostAddress, namespace: undefined, cable: undefined };
  }
  return {
    podCidr,
    address: `172.30.${network.slot}.${FIRST_NODE_ADDRESS + index}`,
    namespace: `${NAMESPACES}/${network.bridge}-${node}`,
    cable: `${network.bridge}n${index}`,
  };
}

/** An IPv4 network as numbers. */
export interface Range {
  readonly first: number;
  readonly last: number;
}

/** @throws TypeError when the text is not an IPv4 address or CIDR. */
export function parseRange(text: string): Range {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)(?:\/(\d+))?$/.exec(text);
  const numbers = match?.slice(1, 5).map(Number) ?? [];
  const bits = Number(match?.[5] ?? 32);
  if (numbers.length !== 4 || numbers.some((part) => part > 255) || bits > 32) {
    throw new TypeError(`not an IPv4 network: ${JSON.stringify(text)}`);
  }
  const size = 2 ** (32 - bits);
  const address = numbers.reduce((sum, part) => sum * 256 + part, 0);
  const first = Math.floor(address / size) * size;
  return { first, last: first + size - 1 };
}

export function overlap(one: Range, other: Range): boolean {
  return one.first <= other.last && other.first <= one.last;
}
