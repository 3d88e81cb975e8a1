import type {
  ConfigMap,
  Container,
  EnvVar,
  Secret,
  Service,
} from "../../../shared/api/generated/types.ts";
import { expand } from "./expansion.ts";
import { type PodFacts, podField, resourceField } from "./fields.ts";

/** A container's configuration refers to something that is not there. */
export class ContainerConfigError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** Looks up what a pod refers to in its own namespace. */
export interface ReferenceSource {
  configMap(name: string): ConfigMap | undefined;
  secret(name: string): Secret | undefined;
}

export interface EnvironmentSource extends ReferenceSource {
  /** Services whose addresses the pod is told: its namespace's, and the API's own. */
  readonly services: readonly Service[];
}

/**
 * The container's environment: services first, then `envFrom`, then `env`, where later ones win and
 * may use earlier ones as `$(NAME)`. @throws ContainerConfigError.
 */
export function containerEnvironment(
  facts: PodFacts,
  container: Container,
  source: EnvironmentSource,
): Map<string, string> {
  const { pod } = facts;
  const services = serviceEnvironment(pod.metadata.namespace ?? "", source.services, {
    links: pod.spec?.enableServiceLinks !== false,
  });
  const result = new Map<string, string>();
  for (const from of container.envFrom ?? []) addAll(result, from, source);
  const own = new Map(result);
  for (const variable of container.env ?? []) {
    const value = variableValue(facts, container, variable, source, (name) => {
      return own.get(name) ?? services.get(name);
    });
    if (value === undefined) continue;
    own.set(variable.name, value);
    result.set(variable.name, value);
  }
  return new Map([...services, ...result]);
}

function addAll(
  result: Map<string, string>,
  from: NonNullable<Container["envFrom"]>[number],
  source: ReferenceSource,
): void {
  const prefix = from.prefix ?? "";
  if (from.configMapRef) {
    const name = from.configMapRef.name ?? "";
    const map = source.configMap(name);
    if (!map && !from.configMapRef.optional) missing("configmap", name);
    for (const [key, value] of Object.entries(map?.data ?? {})) result.set(prefix + key, value);
  } else if (from.secretRef) {
    const name = from.secretRef.name ?? "";
    const secret = source.secret(name);
    if (!secret && !from.secretRef.optional) missing("secret", name);
    for (const [key, value] of Object.entries(secret?.data ?? {})) {
      result.set(prefix + key, Buffer.from(value, "base64").toString("utf8"));
    }
  }
}

function missing(kind: string, name: string): never {
  throw new ContainerConfigError(`${kind} "${name}" not found`);
}

function variableValue(
  facts: PodFacts,
  container: Container,
  variable: EnvVar,
  source: ReferenceSource,
  lookUp: (name: string) => string | undefined,
): string | undefined {
  const from = variable.valueFrom;
  if (!from) return expand(variable.value ?? "", lookUp);
  if (from.fieldRef) return podField(facts, from.fieldRef);
  if (from.resourceFieldRef) {
    return resourceField(facts.pod, container, from.resourceFieldRef, facts.node);
  }
  const namespace = facts.pod.metadata.namespace ?? "";
  if (from.configMapKeyRef) {
    const { name = "", key, optional } = from.configMapKeyRef;
    const map = source.configMap(name);
    if (!map) return optional ? undefined : missing("configmap", name);
    const value = map.data?.[key];
    if (value !== undefined || optional) return value;
    throw new ContainerConfigError(`couldn't find key ${key} in ConfigMap ${namespace}/${name}`);
  }
  if (from.secretKeyRef) {
    const { name = "", key, optional } = from.secretKeyRef;
    const secret = source.secret(name);
    if (!secret) return optional ? undefined : missing("secret", name);
    const value = secret.data?.[key];
    if (value !== undefined) return Buffer.from(value, "base64").toString("utf8");
    if (optional) return undefined;
    throw new ContainerConfigError(`couldn't find key ${key} in Secret ${namespace}/${name}`);
  }
  return undefined;
}

/**
 * Addresses of services as variables (`WEB_SERVICE_HOST`, `WEB_PORT_80_TCP_ADDR`). Without links
 * only those of the `kubernetes` service.
 */
export function serviceEnvironment(
  namespace: string,
  services: readonly Service[],
  { links }: { links: boolean },
): Map<string, string> {
  const result = new Map<string, string>();
  const chosen = new Map<string, Service>();
  for (const service of services) {
    const { name, namespace: home } = service.metadata;
    const ip = service.spec?.clusterIP;
    if (!ip || ip === "None") continue;
    const master = home === "default" && name === "kubernetes";
    if (home === namespace && links) chosen.set(name, service);
    else if (master && !chosen.has(name)) chosen.set(name, service);
  }
  for (const [name, service] of chosen) addService(result, name, service);
  return result;
}

function addService(result: Map<string, string>, serviceName: string, service: Service): void {
  const name = variableName(serviceName);
  const ip = service.spec?.clusterIP ?? "";
  const host = ip.includes(":") ? `[${ip}]` : ip;
  const ports = service.spec?.ports ?? [];
  result.set(`${name}_SERVICE_HOST`, ip);
  ports.forEach((port, index) => {
    const protocol = port.protocol ?? "TCP";
    const url = `${protocol.toLowerCase()}://${host}:${port.port}`;
    if (index === 0) {
      result.set(`${name}_SERVICE_PORT`, String(port.port));
      result.set(`${name}_PORT`, url);
    }
    if (port.name) result.set(`${name}_SERVICE_PORT_${variableName(port.name)}`, String(port.port));
    const prefix = `${name}_PORT_${port.port}_${protocol}`;
    result.set(prefix, url);
    result.set(`${prefix}_PROTO`, protocol.toLowerCase());
    result.set(`${prefix}_PORT`, String(port.port));
    result.set(`${prefix}_ADDR`, ip);
  });
}

function variableName(name: string): string {
  return name.toUpperCase().replaceAll("-", "_");
}
