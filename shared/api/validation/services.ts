import type { Service, ServicePort, ServiceSpec } from "../generated/types.ts";
import type { KubernetesObject } from "../object.ts";
import {
  addressFamily,
  isDualStack,
  validateAddress,
  validateBlock,
  validateReachable,
} from "./addresses.ts";
import { PROTOCOLS } from "./containers.ts";
import { Findings } from "./findings.ts";
import { validateLabels } from "./metadata.ts";
import { portNumber } from "./names.ts";

const TYPES = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const POLICIES = ["Cluster", "Local"];
const FAMILIES = ["IPv4", "IPv6"];
const FAMILY_POLICIES = ["PreferDualStack", "RequireDualStack", "SingleStack"];
const DISTRIBUTIONS = ["PreferClose", "PreferSameNode", "PreferSameZone"];
const AFFINITY_SECONDS_MAX = 86_400;
const ONLY_LOAD_BALANCER = "may only be used when `type` is 'LoadBalancer'";

/** No address of its own: its name leads to the endpoints themselves. */
export function isHeadless({ clusterIPs }: ServiceSpec): boolean {
  return clusterIPs?.length === 1 && clusterIPs[0] === "None";
}

function isExternal({ type, externalIPs }: ServiceSpec): boolean {
  if (type === "NodePort" || type === "LoadBalancer") return true;
  return type === "ClusterIP" && Boolean(externalIPs?.length);
}

export function validateService(found: Findings, object: KubernetesObject): void {
  const spec = (object as Service).spec ?? {};
  validateKind(found, spec);
  validatePorts(found, spec);
  validateLabels(found, "spec.selector", spec.selector);
  validateSessionAffinity(found, spec);
  validateClusterIPs(found, spec);
  spec.externalIPs?.forEach((address, index) => {
    const at = `spec.externalIPs[${index}]`;
    if (addressFamily(address)) validateReachable(found, at, address);
    else validateAddress(found, at, address);
  });
  found.requiredOneOf("spec.type", spec.type, TYPES);
  validatePortNumbers(found, spec);
  validateLoadBalancer(found, spec);
  validateTraffic(found, spec);
}

function validateKind(found: Findings, spec: ServiceSpec): void {
  const { type } = spec;
  if (!spec.ports?.length && !isHeadless(spec) && type !== "ExternalName") {
    found.required("spec.ports");
  }
  if ((type === "LoadBalancer" || type === "NodePort") && isHeadless(spec)) {
    const words = `may not be set to 'None' for ${type} services`;
    found.invalid("spec.clusterIPs[0]", "None", words);
  }
  if (type !== "ExternalName") return;
  const words = "may not be set for ExternalName services";
  if (spec.clusterIPs?.length) found.forbidden("spec.clusterIPs", words);
  if (spec.ipFamilies?.length) found.forbidden("spec.ipFamilies", words);
  if (spec.ipFamilyPolicy !== undefined) found.forbidden("spec.ipFamilyPolicy", words);
  const name = (spec.externalName ?? "").replace(/\.$/, "");
  if (name) found.dnsSubdomain("spec.externalName", name);
  else found.required("spec.externalName");
}

function validatePorts(found: Findings, { ports = [] }: ServiceSpec): void {
  const names = new Set<string>();
  ports.forEach(({ name, port = 0, protocol, targetPort, appProtocol }, index) => {
    const at = `spec.ports[${index}]`;
    if (name) {
      found.dnsLabel(`${at}.name`, name);
      if (names.has(name)) found.duplicate(`${at}.name`, name);
      names.add(name);
    } else if (ports.length > 1) found.required(`${at}.name`);
    found.invalidAll(`${at}.port`, port, portNumber(port));
    found.requiredOneOf(`${at}.protocol`, protocol, PROTOCOLS);
    found.portNumberOrName(`${at}.targetPort`, targetPort);
    if (appProtocol !== undefined) found.qualifiedName(`${at}.appProtocol`, appProtocol);
  });
}

function validateSessionAffinity(found: Findings, spec: ServiceSpec): void {
  const { sessionAffinity, sessionAffinityConfig: config } = spec;
  found.requiredOneOf("spec.sessionAffinity", sessionAffinity, ["ClientIP", "None"]);
  const at = "spec.sessionAffinityConfig";
  if (sessionAffinity === "None" && config) {
    found.forbidden(at, "must not be set when session affinity is None");
  }
  if (sessionAffinity !== "ClientIP") return;
  const when = "when session affinity type is ClientIP";
  const seconds = config?.clientIP?.timeoutSeconds;
  if (!config) found.required(at, when);
  else if (!config.clientIP) found.required(`${at}.clientIP`, when);
  else if (seconds === undefined) found.required(`${at}.clientIP.timeoutSeconds`, when);
  else if (seconds <= 0 || seconds > AFFINITY_SECONDS_MAX) {
    const words = `must be greater than 0 and less than ${AFFINITY_SECONDS_MAX}`;
    found.invalid(`${at}.clientIP.timeoutSeconds`, seconds, words);
  }
}

/** Addresses and families, with each other. Also used when addresses are allocated. */
export function validateClusterIPs(found: Findings, spec: ServiceSpec): void {
  if (spec.type === "ExternalName") return;
  const { clusterIP, clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec;
  const at = "spec.clusterIPs";
  if (!clusterIP && clusterIPs.length) {
    found.invalid(at, clusterIPs, "must be empty when `clusterIP` is not specified");
  } else if (clusterIP && !clusterIPs.length) found.required(at);
  else if (clusterIP && clusterIPs[0] !== clusterIP) {
    found.invalid(at, clusterIPs, "first value must match `clusterIP`");
  }
  ipFamilies.forEach((family, index) => {
    found.oneOf(`spec.ipFamilies[${index}]`, family, FAMILIES);
    if (ipFamilies.indexOf(family) < index) found.duplicate(`spec.ipFamilies[${index}]`, family);
  });
  if (ipFamilyPolicy !== undefined) {
    found.oneOf("spec.ipFamilyPolicy", ipFamilyPolicy, FAMILY_POLICIES);
  }
  const wrong = new Findings();
  clusterIPs.forEach((address, index) => {
    if (index > 0 || address !== "None") validateAddress(wrong, `${at}[${index}]`, address);
    else if (clusterIPs.length > 1) {
      wrong.invalid(at, clusterIPs, "'None' must be the first and only value");
    }
  });
  found.add(wrong.list);
  if (clusterIPs.length > 2) found.invalid(at, clusterIPs, "may only hold up to 2 values");
  if (wrong.list.length) return;
  if (clusterIPs.length > 1 && !isDualStack(clusterIPs)) {
    found.invalid(at, clusterIPs, "may specify no more than one IP for each IP family");
  }
  if (isHeadless(spec)) return;
  clusterIPs.slice(0, ipFamilies.length).forEach((address, index) => {
    const family = ipFamilies[index] as string;
    if (!FAMILIES.includes(family) || family === `IPv${addressFamily(address)}`) return;
    const words = `expected an ${family} value as indicated by \`ipFamilies[${index}]\``;
    found.invalid(`${at}[${index}]`, address, words);
  });
}

function validatePortNumbers(found: Findings, { type, ports = [] }: ServiceSpec): void {
  if (type === "ClusterIP") {
    ports.forEach(({ nodePort }, index) => {
      if (!nodePort) return;
      const words = "may not be used when `type` is 'ClusterIP'";
      found.forbidden(`spec.ports[${index}].nodePort`, words);
    });
  }
  const repeated = (index: number, same: (other: ServicePort) => boolean): boolean =>
    ports.slice(0, index).some(same);
  ports.forEach(({ protocol, nodePort }, index) => {
    if (!nodePort) return;
    if (repeated(index, (o) => o.protocol === protocol && o.nodePort === nodePort)) {
      found.duplicate(`spec.ports[${index}].nodePort`, nodePort);
    }
  });
  ports.forEach(({ protocol, port }, index) => {
    if (repeated(index, (o) => o.protocol === protocol && o.port === port)) {
      found.duplicate(`spec.ports[${index}]`, { protocol, port });
    }
  });
}

function validateLoadBalancer(found: Findings, spec: ServiceSpec): void {
  const isBalancer = spec.type === "LoadBalancer";
  const ranges = spec.loadBalancerSourceRanges ?? [];
  if (ranges.length && !isBalancer) {
    found.forbidden("spec.LoadBalancerSourceRanges", ONLY_LOAD_BALANCER);
  }
  ranges.forEach((range, index) => {
    validateBlock(found, `spec.LoadBalancerSourceRanges[${index}]`, range.trim());
  });
  if (!isBalancer && spec.allocateLoadBalancerNodePorts !== undefined) {
    found.forbidden("spec.allocateLoadBalancerNodePorts", ONLY_LOAD_BALANCER);
  }
  const { loadBalancerClass } = spec;
  if (loadBalancerClass === undefined) return;
  if (isBalancer) found.qualifiedName("spec.loadBalancerClass", loadBalancerClass);
  else found.forbidden("spec.loadBalancerClass", ONLY_LOAD_BALANCER);
}

function validateTraffic(found: Findings, spec: ServiceSpec): void {
  const { externalTrafficPolicy: external, internalTrafficPolicy: internal, type } = spec;
  if (isExternal(spec)) found.requiredOneOf("spec.externalTrafficPolicy", external, POLICIES);
  else if (external) {
    const words = "may only be set for externally-accessible services";
    found.invalid("spec.externalTrafficPolicy", external, words);
  }
  const healthCheck = spec.healthCheckNodePort;
  if (healthCheck && !(type === "LoadBalancer" && external === "Local")) {
    const words =
      "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    found.invalid("spec.healthCheckNodePort", healthCheck, words);
  } else if (healthCheck) {
    found.invalidAll("spec.healthCheckNodePort", healthCheck, portNumber(healthCheck));
  }
  if (internal !== undefined) found.oneOf("spec.internalTrafficPolicy", internal, POLICIES);
  else if (type !== "ExternalName") found.required("spec.internalTrafficPolicy");
  if (spec.trafficDistribution !== undefined) {
    found.oneOf("spec.trafficDistribution", spec.trafficDistribution, DISTRIBUTIONS);
  }
}

export function validateServiceUpdate(
  found: Findings,
  object: KubernetesObject,
  oldObject: KubernetesObject,
): void {
  const spec = (object as Service).spec ?? {};
  const old = (oldObject as Service).spec ?? {};
  if (spec.type !== "ExternalName" && old.type !== "ExternalName") {
    if (!(isHeadless(spec) && isHeadless(old))) {
      validateKept(found, "clusterIPs", "clusterIP", spec, old);
    }
    if (!isHeadless(spec) && !isHeadless(old)) {
      validateKept(found, "ipFamilies", "ipFamily", spec, old);
    }
  }
  const { loadBalancerClass } = spec;
  const balancers = spec.type === "LoadBalancer" && old.type === "LoadBalancer";
  if (balancers && loadBalancerClass !== old.loadBalancerClass) {
    found.invalid("spec.loadBalancerClass", loadBalancerClass, "may not change once set");
  }
  validateService(found, object);
}

/** The first address and family stay; a second one may be added or given back. */
function validateKept(
  found: Findings,
  list: "clusterIPs" | "ipFamilies",
  what: string,
  spec: ServiceSpec,
  old: ServiceSpec,
): void {
  const now = spec[list] ?? [];
  const before = old[list] ?? [];
  const field = `spec.${list}`;
  if (now.length === before.length) {
    before.forEach((value, index) => {
      if (now[index] === value) return;
      found.invalid(`${field}[${index}]`, now, "may not change once set");
    });
    return;
  }
  if (before.length && !now.length) {
    found.invalid(`${field}[0]`, now, `primary ${what} can not be unset`);
  } else if (before.length && now[0] !== before[0]) {
    found.invalid(`${field}[0]`, now, "may not change once set");
  }
  if (now.length === 1 && before.length > 1 && spec.ipFamilyPolicy !== "SingleStack") {
    const words = `must be set to 'SingleStack' when releasing the secondary ${what}`;
    found.invalid("spec.ipFamilyPolicy", spec.ipFamilyPolicy, words);
  }
}

export function validateServiceStatus(found: Findings, object: KubernetesObject): void {
  const { spec, status } = object as Service;
  const ingress = status?.loadBalancer?.ingress ?? [];
  const field = "status.loadBalancer.ingress";
  if (spec?.type !== "LoadBalancer" && ingress.length) {
    found.forbidden(field, "may only be used when `spec.type` is 'LoadBalancer'");
    return;
  }
  ingress.forEach(({ ip, ipMode, hostname }, index) => {
    const at = `${field}[${index}]`;
    if (ip) validateAddress(found, `${at}.ip`, ip);
    if (ipMode === undefined) {
      if (ip) found.required(`${at}.ipMode`, "must be specified when `ip` is set");
    } else if (!ip) found.forbidden(`${at}.ipMode`, "may not be specified when `ip` is not set");
    else found.oneOf(`${at}.ipMode`, ipMode, ["Proxy", "VIP"]);
    if (!hostname) return;
    found.dnsSubdomain(`${at}.hostname`, hostname);
    if (addressFamily(hostname)) {
      found.invalid(`${at}.hostname`, hostname, "must be a DNS name, not an IP address");
    }
  });
}
