import type {
  AuthenticationV1TokenRequest,
  EndpointSlice,
  Endpoints,
  Namespace,
  Node,
  Secret,
  Service,
  ServiceSpec,
} from "../generated/types.ts";
import type { KubernetesObject } from "../object.ts";

const CLIENT_IP_SECONDS = 10_800;

export function serviceDefaults(object: KubernetesObject): void {
  const service = object as Service;
  service.spec ??= {};
  const { spec, status } = service;
  spec.type ||= "ClusterIP";
  if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
  affinityDefaults(spec);
  for (const port of spec.ports ?? []) {
    port.protocol ||= "TCP";
    if (!port.targetPort) port.targetPort = port.port;
  }
  const external = spec.type === "NodePort" || spec.type === "LoadBalancer";
  if (external || (spec.type === "ClusterIP" && spec.externalIPs?.length)) {
    spec.externalTrafficPolicy ||= "Cluster";
  }
  if (external || spec.type === "ClusterIP") spec.internalTrafficPolicy ??= "Cluster";
  if (spec.type !== "LoadBalancer") return;
  spec.allocateLoadBalancerNodePorts ??= true;
  for (const ingress of status?.loadBalancer?.ingress ?? []) {
    if (ingress.ip) ingress.ipMode ??= "VIP";
  }
}

function affinityDefaults(spec: ServiceSpec): void {
  spec.sessionAffinity ||= "None";
  if (spec.sessionAffinity === "None" && spec.sessionAffinityConfig) {
    delete spec.sessionAffinityConfig;
  }
  if (spec.sessionAffinity !== "ClientIP") return;
  if (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds !== undefined) return;
  spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: CLIENT_IP_SECONDS } };
}

export function endpointsDefaults(object: KubernetesObject): void {
  for (const { ports } of (object as Endpoints).subsets ?? []) {
    for (const port of ports ?? []) port.protocol ||= "TCP";
  }
}

export function endpointSliceDefaults(object: KubernetesObject): void {
  for (const port of (object as EndpointSlice).ports ?? []) {
    port.name ??= "";
    port.protocol ??= "TCP";
  }
}

const NAME_LABEL = "kubernetes.io/metadata.name";

export function namespaceDefaults(object: KubernetesObject): void {
  const namespace = object as Namespace;
  const { name, labels } = namespace.metadata;
  if (name && labels?.[NAME_LABEL] !== name) {
    namespace.metadata.labels = { ...labels, [NAME_LABEL]: name };
  }
  namespace.status ??= {};
  namespace.status.phase ||= "Active";
}

export function nodeDefaults(object: KubernetesObject): void {
  const { spec, status } = object as Node;
  if (status?.capacity && !status.allocatable) status.allocatable = { ...status.capacity };
  if (!spec?.podCIDR) {
    if (spec?.podCIDRs?.length) spec.podCIDR = spec.podCIDRs[0] as string;
  } else if (spec.podCIDRs?.[0] !== spec.podCIDR) spec.podCIDRs = [spec.podCIDR];
}

/** `stringData` is only ever written: it becomes part of `data`. */
export function secretDefaults(object: KubernetesObject): void {
  const secret = object as Secret;
  secret.type ||= "Opaque";
  if (!secret.stringData) return;
  const encoded = Object.entries(secret.stringData).map(([key, text]) => [
    key,
    Buffer.from(text).toString("base64"),
  ]);
  secret.data = { ...secret.data, ...Object.fromEntries(encoded) };
  delete secret.stringData;
}

const TOKEN_SECONDS = 3600;

export function tokenRequestDefaults(object: KubernetesObject): void {
  const { spec } = object as AuthenticationV1TokenRequest;
  if (spec) spec.expirationSeconds ??= TOKEN_SECONDS;
}
