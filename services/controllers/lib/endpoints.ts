/** From a Service and its pods to endpoints, grouped by the ports that the pods really have. */

import type { Snapshot } from "../../../shared/actor/controller.ts";
import type {
  DiscoveryV1EndpointPort,
  Endpoint,
  Node,
  Pod,
  Service,
  ServicePort,
} from "../../../shared/api/generated/types.ts";
import { canonical } from "./names.ts";
import { isReady, isTerminal } from "./pods.ts";

export interface EndpointGroup {
  readonly addressType: "IPv4" | "IPv6";
  readonly ports: readonly DiscoveryV1EndpointPort[];
  readonly endpoints: readonly Endpoint[];
}

const ZONE = "topology.kubernetes.io/zone";

/**
 * Groups by address family and port numbers (a named targetPort may differ from pod to pod), in a
 * fixed order. Each family has at least one group, so that a Service without pods has a slice too.
 */
export function endpointGroups(
  service: Service,
  pods: readonly Pod[],
  at: Snapshot,
): EndpointGroup[] {
  // Only a port with a name can differ from pod to pod.
  const named = service.spec?.ports?.some(({ targetPort }) => typeof targetPort === "string");
  const numbered = named ? undefined : portsOf(service);
  const numberedId = canonical((numbered ?? []) as never);
  const families = service.spec?.ipFamilies?.length ? service.spec.ipFamilies : ["IPv4"];
  return families.flatMap((family) => {
    const addressType = family === "IPv6" ? "IPv6" : "IPv4";
    const groups = new Map<string, { ports: DiscoveryV1EndpointPort[]; endpoints: Endpoint[] }>();
    for (const pod of pods) {
      const address = addressOf(pod, addressType);
      if (address === undefined || isTerminal(pod)) continue;
      const ports = numbered ?? portsOf(service, pod);
      const id = ports === numbered ? numberedId : canonical(ports as never);
      const group = groups.get(id) ?? { ports, endpoints: [] };
      groups.set(id, group);
      group.endpoints.push(endpointOf(service, pod, address, at));
    }
    if (groups.size === 0) return [{ addressType, ports: portsOf(service), endpoints: [] }];
    const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
    return sorted.map(([, group]) => ({ addressType, ...group }) as EndpointGroup);
  });
}

function addressOf(pod: Pod, family: "IPv4" | "IPv6"): string | undefined {
  const single = pod.status?.podIP ? [pod.status.podIP] : [];
  const addresses = pod.status?.podIPs?.map(({ ip }) => ip) ?? single;
  return addresses.find((address) => address.includes(":") === (family === "IPv6"));
}

/** Ports as numbers. Those whose name the pod does not know are left out. */
function portsOf(service: Service, pod?: Pod): DiscoveryV1EndpointPort[] {
  return (service.spec?.ports ?? []).flatMap((port) => {
    const number = targetPort(port, pod);
    if (number === undefined) return [];
    return [
      {
        ...(port.appProtocol !== undefined && { appProtocol: port.appProtocol }),
        name: port.name ?? "",
        port: number,
        protocol: port.protocol ?? "TCP",
      },
    ];
  });
}

function targetPort(port: ServicePort, pod: Pod | undefined): number | undefined {
  const target = port.targetPort ?? port.port;
  if (typeof target === "number") return target;
  const containers = [
    ...(pod?.spec?.containers ?? []),
    ...(pod?.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always"),
  ];
  for (const container of containers) {
    for (const { name, containerPort, protocol } of container.ports ?? []) {
      const same = (protocol ?? "TCP") === (port.protocol ?? "TCP");
      if (name === target && same) return containerPort;
    }
  }
  return undefined;
}

function endpointOf(service: Service, pod: Pod, address: string, at: Snapshot): Endpoint {
  const { name, namespace, uid, deletionTimestamp } = pod.metadata;
  const serving = isReady(pod);
  const terminating = deletionTimestamp !== undefined;
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating);
  const nodeName = pod.spec?.nodeName;
  const zone = nodeName && at.get<Node>("nodes", "", nodeName)?.metadata.labels?.[ZONE];
  const hostname = pod.spec?.subdomain === service.metadata.name ? pod.spec?.hostname : undefined;
  return {
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(hostname && { hostname }),
    ...(nodeName && { nodeName }),
    targetRef: {
      kind: "Pod",
      name,
      ...(namespace !== undefined && { namespace }),
      ...(uid !== undefined && { uid }),
    },
    ...(zone && { zone }),
  };
}

/** Whether two states of a pod lead to the same endpoints, in whatever Service. */
export function sameEndpoint(one: Pod | undefined, other: Pod | undefined): boolean {
  return shownOf(one) === shownOf(other);
}

/** All of a pod that its endpoints can show, and the labels that select it; "" if it has none. */
function shownOf(pod: Pod | undefined): string {
  if (pod === undefined || isTerminal(pod)) return "";
  const { podIP, podIPs } = pod.status ?? {};
  if (!podIP && !podIPs?.length) return "";
  const { uid, labels, deletionTimestamp } = pod.metadata;
  const { nodeName, hostname, subdomain } = pod.spec ?? {};
  const terminating = deletionTimestamp !== undefined;
  const place = [nodeName, hostname, subdomain];
  return JSON.stringify([uid, podIP, podIPs, isReady(pod), terminating, place, labels]);
}
