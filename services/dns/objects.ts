import type { Snapshot } from "../../shared/actor/controller.ts";
import type { Plan } from "../../shared/actor/plan.ts";
import type { EndpointSlice, Node, Service } from "../../shared/api/generated/types.ts";
import { keyOf } from "../../shared/api/key.ts";

/** Where this node's DNS server is to be found. */
export interface DnsPlace {
  readonly node: string;
  readonly address: string;
  readonly port: number;
  /** ClusterIP of the Service. */
  readonly dnsAddress: string;
}

export const DNS_NAMESPACE = "kube-system";
export const DNS_SERVICE = "kube-dns";
const SERVICES = "services";
const SLICES = "endpointslices.discovery.k8s.io";
const NOTHING: Plan = { actions: [] };

/**
 * Sees that the Service `kube-dns` exists. Every node's DNS actor does; the first one wins. What an
 * administrator changes in it stays.
 */
export function planService(at: Snapshot, place: DnsPlace): Plan {
  if (at.get(SERVICES, DNS_NAMESPACE, DNS_SERVICE) !== undefined) return NOTHING;
  return {
    actions: [
      {
        op: "create",
        key: keyOf(SERVICES, DNS_NAMESPACE, DNS_SERVICE),
        object: serviceOf(place),
      },
    ],
    reason: "the Service of the cluster's DNS is missing",
  };
}

/**
 * Sees that this node's server is an endpoint of it: one slice per node, since each server has its
 * own port. The slice belongs to the Node, and goes with it; until the Node is there, nothing is
 * written.
 */
export function planSlice(at: Snapshot, place: DnsPlace): Plan {
  const node = at.get<Node>("nodes", "", place.node);
  if (node?.metadata.uid === undefined) return NOTHING;
  const wanted = sliceOf(place, node.metadata.uid);
  const { name } = wanted.metadata;
  const key = keyOf(SLICES, DNS_NAMESPACE, name);
  const present = at.get<EndpointSlice>(SLICES, DNS_NAMESPACE, name);
  if (present === undefined) {
    return {
      actions: [{ op: "create", key, object: wanted }],
      reason: "this node's DNS server is not an endpoint yet",
    };
  }
  if (holds(present, wanted)) return NOTHING;
  const object = {
    ...wanted,
    metadata: { ...present.metadata, ...wanted.metadata },
  };
  return {
    actions: [{ op: "update", key, object, expect: present.metadata.resourceVersion ?? "" }],
    reason: "this node's DNS server is somewhere else now",
  };
}

/** Name of a node's slice. */
export function sliceName(node: string): string {
  return `${DNS_SERVICE}-${node}`;
}

function serviceOf({ dnsAddress }: DnsPlace): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: DNS_SERVICE,
      namespace: DNS_NAMESPACE,
      labels: {
        "k8s-app": "kube-dns",
        "kubernetes.io/cluster-service": "true",
        "kubernetes.io/name": "CoreDNS",
      },
    },
    spec: {
      type: "ClusterIP",
      clusterIP: dnsAddress,
      clusterIPs: [dnsAddress],
      trafficDistribution: "PreferSameNode",
      ports: [
        { name: "dns", port: 53, protocol: "UDP", targetPort: 53 },
        { name: "dns-tcp", port: 53, protocol: "TCP", targetPort: 53 },
      ],
    },
  };
}

function sliceOf({ node, address, port }: DnsPlace, nodeUid: string): EndpointSlice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: sliceName(node),
      namespace: DNS_NAMESPACE,
      labels: {
        "kubernetes.io/service-name": DNS_SERVICE,
        "endpointslice.kubernetes.io/managed-by": "dns.coxswain",
      },
      ownerReferences: [{ apiVersion: "v1", kind: "Node", name: node, uid: nodeUid }],
    },
    addressType: address.includes(":") ? "IPv6" : "IPv4",
    ports: [
      { name: "dns", port, protocol: "UDP" },
      { name: "dns-tcp", port, protocol: "TCP" },
    ],
    endpoints: [
      {
        addresses: [address],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: node,
        // Pods ask their own node's server, and another one only when theirs is not there.
        hints: { forNodes: [{ name: node }] },
      },
    ],
  };
}

/** Whether the present slice says all that is wanted; defaults and metadata may be added. */
function holds(present: EndpointSlice, wanted: EndpointSlice): boolean {
  const said = (slice: EndpointSlice): string =>
    JSON.stringify([
      slice.addressType,
      slice.ports?.map((port) => [port.name, port.port, port.protocol]),
      slice.endpoints?.map((endpoint) => [
        endpoint.addresses,
        endpoint.conditions?.ready,
        endpoint.nodeName,
        endpoint.hints?.forNodes?.map((hint) => hint.name),
      ]),
      slice.metadata.ownerReferences?.map((owner) => owner.uid),
      slice.metadata.labels?.["kubernetes.io/service-name"],
    ]);
  return said(present) === said(wanted);
}
