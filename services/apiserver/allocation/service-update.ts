import type { KubernetesObject } from "../../../shared/api/object.ts";
import { equalOrEmpty } from "../json.ts";
import {
  needsClusterIp,
  needsHealthPort,
  needsNodePorts,
  nodePortsOf,
  type ServicePort,
} from "./service.ts";

/** A client that leaves allocated fields out keeps what the Service has. */
export function keepAllocated(next: KubernetesObject, old: KubernetesObject): void {
  if (needsClusterIp(old) && needsClusterIp(next)) keepAddresses(next.spec, old.spec);
  if (needsNodePorts(old) && needsNodePorts(next)) keepNodePorts(next, old);
  if (needsHealthPort(old) && needsHealthPort(next)) {
    next.spec.healthCheckNodePort ||= old.spec.healthCheckNodePort;
  }
}

type Spec = KubernetesObject["spec"];

function keepAddresses(next: Spec, old: Spec): void {
  const cleared = !next.clusterIP;
  next.clusterIP ||= old.clusterIP;
  // Who speaks of one address only, as old clients do, means the list as well.
  const moved = !cleared && next.clusterIP !== old.clusterIP;
  if (moved && equalOrEmpty(next.clusterIPs, old.clusterIPs)) next.clusterIPs = [next.clusterIP];
  if (!next.clusterIPs?.length && next.clusterIP === old.clusterIP) {
    next.clusterIPs = old.clusterIPs;
  }
  next.ipFamilies ??= old.ipFamilies;
  next.ipFamilyPolicy ??= old.ipFamilyPolicy;
}

function keepNodePorts(next: KubernetesObject, old: KubernetesObject): void {
  const stated = new Set(nodePortsOf(next));
  const byName = new Map<string, number | undefined>(
    (old.spec.ports ?? []).map((port: ServicePort) => [port.name ?? "", port.nodePort]),
  );
  for (const port of (next.spec.ports ?? []) as ServicePort[]) {
    const before = byName.get(port.name ?? "");
    if (!port.nodePort && before && !stated.has(before)) port.nodePort = before;
  }
}

/** Fields that a change of the type makes meaningless go, when the client only left them in. */
export function dropForType(next: KubernetesObject, old: KubernetesObject): void {
  const { spec } = next;
  if (needsClusterIp(old) && !needsClusterIp(next)) {
    if (
      equalOrEmpty(spec.clusterIPs, old.spec.clusterIPs) ||
      spec.clusterIP === old.spec.clusterIP
    ) {
      delete spec.clusterIP;
      delete spec.clusterIPs;
    }
    if (equalOrEmpty(spec.ipFamilies, old.spec.ipFamilies)) delete spec.ipFamilies;
    if (spec.ipFamilyPolicy === old.spec.ipFamilyPolicy) delete spec.ipFamilyPolicy;
  }
  if (needsNodePorts(old) && !needsNodePorts(next) && sameNodePorts(next, old)) {
    for (const port of (spec.ports ?? []) as ServicePort[]) delete port.nodePort;
  }
  if (needsHealthPort(old) && !needsHealthPort(next)) {
    if (spec.healthCheckNodePort === old.spec.healthCheckNodePort) delete spec.healthCheckNodePort;
  }
  dropBalancerFields(next, old);
}

function sameNodePorts(next: KubernetesObject, old: KubernetesObject): boolean {
  const before = new Set(nodePortsOf(old));
  return nodePortsOf(next).every((port) => before.has(port));
}

const BALANCER_FIELDS = ["allocateLoadBalancerNodePorts", "loadBalancerClass"];

function dropBalancerFields(next: KubernetesObject, old: KubernetesObject): void {
  const { spec } = next;
  if (old.spec.type === "LoadBalancer" && spec.type !== "LoadBalancer") {
    for (const field of BALANCER_FIELDS) {
      if (spec[field] === old.spec[field]) delete spec[field];
    }
  }
  const external = (type: string) => type === "NodePort" || type === "LoadBalancer";
  if (external(old.spec.type) && !external(spec.type)) {
    const same = spec.externalTrafficPolicy === old.spec.externalTrafficPolicy;
    if (same) delete spec.externalTrafficPolicy;
  }
}
