import type { Snapshot } from "../../shared/actor/controller.ts";
import type { Node, Pod, Service } from "../../shared/api/generated/types.ts";
import { type Destination, destinationsOf, type Standpoint, slicesByService } from "./endpoints.ts";

export type Family = "IPv4" | "IPv6";

/** One port of one Service in one IP family: everything that its rules follow from. */
export interface ServicePortFacts {
  /** `namespace/name/protocol/port`, the port by name where it has one. */
  readonly name: string;
  readonly family: Family;
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly port: number;
  readonly clusterAddress: string;
  readonly externalAddresses: readonly string[];
  /** 0: none. */
  readonly nodePort: number;
  /** Seconds a client stays with an endpoint; 0: no affinity. */
  readonly affinitySeconds: number;
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
  readonly cluster: readonly Destination[];
  readonly local: readonly Destination[];
}

/** A port of the node that leads to one of its own pods. */
export interface HostPortFacts {
  readonly name: string;
  readonly family: Family;
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly port: number;
  /** "" for every address of the node. */
  readonly hostAddress: string;
  readonly destination: Destination;
}

const AFFINITY_SECONDS = 10_800;
const ZONE = "topology.kubernetes.io/zone";
/** A Service with this label is somebody else's to implement. */
const OTHER_PROXY = "service.kubernetes.io/service-proxy-name";

/** All service ports of the snapshot that a proxy implements, as seen from the node. */
export function servicePorts(at: Snapshot, node: string | undefined): ServicePortFacts[] {
  const zone =
    node === undefined ? undefined : at.get<Node>("nodes", "", node)?.metadata.labels?.[ZONE];
  const slices = slicesByService(at);
  const facts: ServicePortFacts[] = [];
  for (const service of at.list<Service>("services")) {
    const { namespace, name } = service.metadata;
    if (service.metadata.labels?.[OTHER_PROXY] !== undefined) continue;
    const mine = slices.get(`${namespace}/${name}`) ?? [];
    for (const address of clusterAddresses(service)) {
      facts.push(...portsOf(service, address, mine, { node, zone }));
    }
  }
  return facts;
}

/** Ports of the node that lead to its pods (`hostPort`). */
export function hostPorts(at: Snapshot, node: string | undefined): HostPortFacts[] {
  if (node === undefined) return [];
  return at.onNode<Pod>(node).flatMap(hostPortsOf);
}

export function familyOf(address: string): Family {
  return address.includes(":") ? "IPv6" : "IPv4";
}

/** Addresses of the Service; none for headless ones and for mere names. */
function clusterAddresses({ spec }: Service): string[] {
  if (spec === undefined || spec.type === "ExternalName") return [];
  const all = spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : []);
  return all.filter((address) => address !== "" && address !== "None");
}

function portsOf(
  service: Service,
  clusterAddress: string,
  slices: Parameters<typeof destinationsOf>[0],
  standpoint: Standpoint,
): ServicePortFacts[] {
  const { spec, metadata } = service;
  const family = familyOf(clusterAddress);
  const external = (spec?.externalIPs ?? []).filter((address) => familyOf(address) === family);
  return (spec?.ports ?? []).map((port): ServicePortFacts => {
    const protocol = port.protocol ?? "TCP";
    const label = port.name || String(port.port);
    return {
      name: `${metadata.namespace}/${metadata.name}/${protocol.toLowerCase()}/${label}`,
      family,
      protocol: protocol.toLowerCase() as ServicePortFacts["protocol"],
      port: port.port,
      clusterAddress,
      externalAddresses: external,
      nodePort: port.nodePort ?? 0,
      affinitySeconds:
        spec?.sessionAffinity === "ClientIP"
          ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? AFFINITY_SECONDS)
          : 0,
      internalLocal: spec?.internalTrafficPolicy === "Local",
      externalLocal: spec?.externalTrafficPolicy === "Local",
      ...destinationsOf(slices, family, port.name ?? "", protocol, standpoint),
    };
  });
}

function hostPortsOf(pod: Pod): HostPortFacts[] {
  const { spec, status, metadata } = pod;
  const ended = status?.phase === "Succeeded" || status?.phase === "Failed";
  if (spec === undefined || spec.hostNetwork || ended) return [];
  const addresses = (status?.podIPs ?? []).flatMap(({ ip }) => (ip ? [ip] : []));
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  const ports = containers.flatMap((container) => container.ports ?? []);
  return ports.flatMap((port) => {
    const { hostPort } = port;
    if (!hostPort) return [];
    const protocol = (port.protocol ?? "TCP").toLowerCase() as HostPortFacts["protocol"];
    const any = !port.hostIP || port.hostIP === "0.0.0.0" || port.hostIP === "::";
    return addresses
      .filter((address) => any || familyOf(address) === familyOf(port.hostIP ?? ""))
      .map((address) => ({
        name: `${metadata.namespace}/${metadata.name}/${protocol}/${hostPort}`,
        family: familyOf(address),
        protocol,
        port: hostPort,
        hostAddress: any ? "" : (port.hostIP ?? ""),
        destination: { address, port: port.containerPort },
      }));
  });
}
