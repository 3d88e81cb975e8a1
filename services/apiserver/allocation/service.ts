import {
  type FieldError,
  internalError,
  invalidValue,
  notSupported,
} from "../../../shared/api/errors.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import type { Draft } from "../draft.ts";
import { addressToNumber, holds, numberToAddress, parseCidr } from "./cidr.ts";
import { holderOf, IP_RECORDS, isReserved, PORT_RECORDS, release, reserve } from "./record.ts";

export interface ServicePort {
  name?: string;
  protocol?: string;
  port: number;
  nodePort?: number;
}

export const NO_ADDRESS = "None";
/** Random picks before all addresses or ports are looked through. */
const PICKS_MAX = 32;

export function needsClusterIp(service: KubernetesObject): boolean {
  return service.spec?.type !== "ExternalName";
}

export function needsNodePorts(service: KubernetesObject): boolean {
  const { type, allocateLoadBalancerNodePorts } = service.spec ?? {};
  return (
    type === "NodePort" || (type === "LoadBalancer" && allocateLoadBalancerNodePorts !== false)
  );
}

export function needsHealthPort(service: KubernetesObject): boolean {
  const { type, externalTrafficPolicy } = service.spec ?? {};
  return type === "LoadBalancer" && externalTrafficPolicy === "Local";
}

/** Addresses that the Service holds. */
export function addressesOf(service: KubernetesObject): string[] {
  const { spec } = service;
  const listed: string[] = spec?.clusterIPs ?? (spec?.clusterIP ? [spec.clusterIP] : []);
  return listed.filter((address) => address && address !== NO_ADDRESS);
}

/** Node ports that the Service holds, each once. */
export function nodePortsOf(service: KubernetesObject): number[] {
  const { spec } = service;
  const ports = (spec?.ports ?? []).map((port: ServicePort) => port.nodePort);
  const all: (number | undefined)[] = [...ports, spec?.healthCheckNodePort];
  return [...new Set(all.filter((port): port is number => !!port))];
}

/** The address families: this cluster has IPv4 only. */
export function settleFamilies(service: KubernetesObject): FieldError[] {
  const { spec } = service;
  if (!needsClusterIp(service)) return [];
  const errors: FieldError[] = [];
  const families: string[] = [...(spec.ipFamilies ?? [])];
  const unselected = spec.clusterIP === NO_ADDRESS && !Object.keys(spec.selector ?? {}).length;
  if (unselected) {
    // Whoever writes its endpoints decides about the families.
    spec.ipFamilyPolicy ??= "RequireDualStack";
    if (!families.length) families.push("IPv4");
    if (families.length === 1 && spec.ipFamilyPolicy !== "SingleStack") {
      families.push(families[0] === "IPv4" ? "IPv6" : "IPv4");
    }
    spec.ipFamilies = families;
    return errors;
  }
  families.forEach((family, index) => {
    if (family === "IPv4") return;
    const field = `spec.ipFamilies[${index}]`;
    errors.push(
      family === "IPv6"
        ? invalidValue(field, family, "not configured on this cluster")
        : notSupported(field, family, ["IPv4", "IPv6"]),
    );
  });
  if (spec.ipFamilyPolicy === "RequireDualStack") {
    const why = "this cluster is not configured for dual-stack services";
    errors.push(invalidValue("spec.ipFamilyPolicy", spec.ipFamilyPolicy, why));
  }
  spec.ipFamilyPolicy ??= "SingleStack";
  if (!families.length) spec.ipFamilies = ["IPv4"];
  return errors;
}

/** Gives the Service the addresses that it asks for, or one. `held`: what it has already. */
export function allocateAddresses(
  draft: Draft,
  service: KubernetesObject,
  held: ReadonlySet<string>,
): FieldError[] {
  const { spec } = service;
  if (!needsClusterIp(service)) return [];
  if (!spec.clusterIP && spec.clusterIPs?.length) {
    const why = "must be empty when `clusterIP` is not specified";
    return [invalidValue("spec.clusterIPs", spec.clusterIPs, why)];
  }
  if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
  if (spec.clusterIP === NO_ADDRESS) return [];
  if (!spec.clusterIP) {
    spec.clusterIP = freeAddress(draft, service);
    spec.clusterIPs = [spec.clusterIP];
    return [];
  }
  const wanted = addressesOf(service).filter((address) => !held.has(address));
  return wanted.flatMap((address) => takeAddress(draft, service, address));
}

function takeAddress(draft: Draft, service: KubernetesObject, text: string): FieldError[] {
  const cidr = parseCidr(draft.context.network.serviceCidr);
  const address = addressToNumber(text);
  // What is no address at all is the validation's finding.
  if (address === undefined) return [];
  const failed = (why: string): FieldError[] => [
    invalidValue(
      "spec.clusterIPs",
      service.spec.clusterIPs,
      `failed to allocate IP ${text}: ${why}`,
    ),
  ];
  if (!holds(cidr, address)) {
    const range = `The range of valid IPs is ${cidr.text}`;
    return failed(`the provided IP (${text}) is not in the valid range. ${range}`);
  }
  const taken = reserve(draft, IP_RECORDS, text, holderOf(service));
  return taken ? [] : failed("provided IP is already allocated");
}

function freeAddress(draft: Draft, service: KubernetesObject): string {
  const { first, size } = parseCidr(draft.context.network.serviceCidr);
  const reservedForStatic = bandOf(size, 16, 256);
  const found = freeNumber(draft, IP_RECORDS, "serviceIP", {
    first: first + 1,
    last: first + size - 2,
    preferred: first + 1 + reservedForStatic,
    nameOf: numberToAddress,
  });
  reserve(draft, IP_RECORDS, found, holderOf(service));
  return found;
}

/** The lower part of a range is left to those who ask for a certain address or port. */
function bandOf(size: number, parts: number, max: number): number {
  if (size <= 16) return 0;
  return Math.min(Math.max(16, Math.floor(size / parts)), max);
}

interface Range {
  readonly first: number;
  readonly last: number;
  readonly preferred: number;
  nameOf(number: number): string;
}

function freeNumber(draft: Draft, records: string, what: string, range: Range): string {
  const { first, last, preferred, nameOf } = range;
  const random = draft.context.runtime.random.stream(`apiserver/${what}`);
  const span = last - preferred + 1;
  for (let pick = 0; pick < PICKS_MAX && span > 0; pick++) {
    const name = nameOf(preferred + random.integer(span));
    if (!isReserved(draft, records, name)) return name;
  }
  for (let number = last; number >= first; number--) {
    const name = nameOf(number);
    if (!isReserved(draft, records, name)) return name;
  }
  throw internalError(`failed to allocate a ${what}: range is full`);
}

/** Gives the Service the node ports that it asks for, and one to each port without. */
export function allocateNodePorts(
  draft: Draft,
  service: KubernetesObject,
  held: ReadonlySet<number>,
): FieldError[] {
  const errors: FieldError[] = [];
  const own = new Set(held);
  const take = (port: number, field: string): void => {
    if (own.has(port)) return;
    errors.push(...takePort(draft, service, port, field));
    own.add(port);
  };
  const ports: ServicePort[] = service.spec?.ports ?? [];
  if (needsNodePorts(service)) {
    ports.forEach((port, index) => {
      if (port.nodePort) take(port.nodePort, `spec.ports[${index}].nodePort`);
    });
    for (const port of ports) {
      // The same port under another protocol gets the same node port.
      const twin = ports.find((each) => each.port === port.port && each.nodePort);
      port.nodePort ||= twin?.nodePort ?? freePort(draft, service);
    }
  }
  if (!needsHealthPort(service)) return errors;
  const { healthCheckNodePort } = service.spec;
  if (healthCheckNodePort) take(healthCheckNodePort, "spec.healthCheckNodePort");
  else service.spec.healthCheckNodePort = freePort(draft, service);
  return errors;
}

function takePort(
  draft: Draft,
  service: KubernetesObject,
  port: number,
  field: string,
): FieldError[] {
  const [first, last] = draft.context.network.nodePortRange;
  if (port < first || port > last) {
    const range = `The range of valid ports is ${first}-${last}`;
    return [invalidValue(field, port, `provided port is not in the valid range. ${range}`)];
  }
  if (reserve(draft, PORT_RECORDS, String(port), holderOf(service))) return [];
  return [invalidValue(field, port, "provided port is already allocated")];
}

function freePort(draft: Draft, service: KubernetesObject): number {
  const [first, last] = draft.context.network.nodePortRange;
  const found = freeNumber(draft, PORT_RECORDS, "nodePort", {
    first,
    last,
    preferred: first + bandOf(last - first + 1, 32, 128),
    nameOf: String,
  });
  reserve(draft, PORT_RECORDS, found, holderOf(service));
  return Number(found);
}

/** Gives back what the Service no longer holds. */
export function releaseService(
  draft: Draft,
  service: KubernetesObject,
  addresses: readonly string[],
  ports: readonly number[],
): void {
  const holder = holderOf(service);
  for (const address of addresses) release(draft, IP_RECORDS, address, holder);
  for (const port of ports) release(draft, PORT_RECORDS, String(port), holder);
}
