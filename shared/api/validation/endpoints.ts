import type {
  DiscoveryV1EndpointPort,
  Endpoint,
  EndpointAddress,
  EndpointPort,
  EndpointSlice,
  Endpoints,
} from "../generated/types.ts";
import type { KubernetesObject } from "../object.ts";
import { addressFamily, validateAddress, validateReachable } from "./addresses.ts";
import { PROTOCOLS } from "./containers.ts";
import type { Findings } from "./findings.ts";
import { dnsLabel, dnsSubdomain, portNumber } from "./names.ts";

export function validateEndpoints(found: Findings, object: KubernetesObject): void {
  (object as Endpoints).subsets?.forEach((subset, index) => {
    const at = `subsets[${index}]`;
    const { addresses = [], notReadyAddresses = [], ports = [] } = subset;
    if (!addresses.length && !notReadyAddresses.length) {
      found.required(at, "must specify `addresses` or `notReadyAddresses`");
    }
    for (const [part, list] of Object.entries({ addresses, notReadyAddresses })) {
      list.forEach((address, position) => {
        validateEndpointAddress(found, `${at}.${part}[${position}]`, address);
      });
    }
    ports.forEach((port, position) => {
      validateEndpointPort(found, `${at}.ports[${position}]`, port, ports.length > 1);
    });
  });
}

function validateEndpointAddress(found: Findings, at: string, address: EndpointAddress): void {
  const { ip = "", hostname, nodeName } = address;
  validateAddress(found, `${at}.ip`, ip);
  if (hostname) found.dnsLabel(`${at}.hostname`, hostname);
  if (nodeName !== undefined) found.dnsSubdomain(`${at}.nodeName`, nodeName);
  validateReachable(found, `${at}.ip`, ip);
}

function validateEndpointPort(
  found: Findings,
  at: string,
  { name, port = 0, protocol, appProtocol }: EndpointPort,
  named: boolean,
): void {
  if (name) found.dnsLabel(`${at}.name`, name);
  else if (named) found.required(`${at}.name`);
  found.invalidAll(`${at}.port`, port, portNumber(port));
  found.requiredOneOf(`${at}.protocol`, protocol, PROTOCOLS);
  if (appProtocol !== undefined) found.qualifiedName(`${at}.appProtocol`, appProtocol);
}

const ADDRESS_TYPES = ["FQDN", "IPv4", "IPv6"];
const ENDPOINTS_MAX = 1000;
const ADDRESSES_MAX = 100;
const PORTS_MAX = 20_000;
const TOPOLOGY_MAX = 16;
const HINTS_MAX = 8;

export function validateEndpointSlice(found: Findings, object: KubernetesObject): void {
  const { addressType, endpoints = [], ports = [] } = object as EndpointSlice;
  found.requiredOneOf("addressType", addressType, ADDRESS_TYPES);
  if (endpoints.length > ENDPOINTS_MAX) {
    found.tooMany("endpoints", endpoints.length, ENDPOINTS_MAX);
  } else {
    endpoints.forEach((endpoint, index) => {
      validateEndpoint(found, `endpoints[${index}]`, endpoint, addressType);
    });
  }
  if (ports.length > PORTS_MAX) found.tooMany("ports", ports.length, PORTS_MAX);
  else validateSlicePorts(found, ports);
}

function validateEndpoint(found: Findings, at: string, endpoint: Endpoint, type: string): void {
  const { addresses = [], deprecatedTopology = {}, nodeName, hostname, hints } = endpoint;
  const list = `${at}.addresses`;
  if (!addresses.length) found.required(list, "must contain at least 1 address");
  else if (addresses.length > ADDRESSES_MAX) found.tooMany(list, addresses.length, ADDRESSES_MAX);
  addresses.forEach((address, index) => {
    validateTypedAddress(found, `${list}[${index}]`, address, type);
  });
  if (nodeName !== undefined) found.dnsSubdomain(`${at}.nodeName`, nodeName);
  const topology = Object.keys(deprecatedTopology).length;
  if (topology > TOPOLOGY_MAX) found.tooMany(`${at}.deprecatedTopology`, topology, TOPOLOGY_MAX);
  if (hostname !== undefined) found.dnsLabel(`${at}.hostname`, hostname);
  for (const part of ["forZones", "forNodes"] as const) {
    const names = hints?.[part] ?? [];
    const field = `${at}.hints.${part}`;
    if (names.length > HINTS_MAX) found.tooMany(field, names.length, HINTS_MAX);
    names.forEach(({ name }, index) => {
      if (names.findIndex((other) => other.name === name) < index) {
        found.duplicate(`${field}[${index}].name`, name);
      }
      found.invalidAll(`${field}[${index}].name`, name, dnsSubdomain(name ?? ""));
    });
  }
}

function validateTypedAddress(found: Findings, at: string, address: string, type: string): void {
  if (type === "FQDN") {
    const name = address.replace(/\.$/, "");
    const wrong = dnsSubdomain(name);
    if (!address) found.required(at);
    else if (wrong.length) found.invalid(at, name, wrong.join(","));
    else if (!name.includes(".")) {
      const words = "should be a domain with at least two segments separated by dots";
      found.invalid(at, name, words);
    } else {
      const long = name.split(".").find((label) => dnsLabel(label).length);
      if (long !== undefined) found.invalid(at, long, dnsLabel(long).join(","));
    }
    return;
  }
  if (type !== "IPv4" && type !== "IPv6") return;
  if (`IPv${addressFamily(address)}` !== type) {
    found.invalid(at, address, `must be a valid ${type} address`);
  }
  validateReachable(found, at, address);
}

function validateSlicePorts(found: Findings, ports: readonly DiscoveryV1EndpointPort[]): void {
  const names = new Set<string>();
  ports.forEach(({ name = "", protocol, appProtocol }, index) => {
    const at = `ports[${index}]`;
    if (name) found.dnsLabel(`${at}.name`, name);
    if (names.has(name)) found.duplicate(`${at}.name`, name);
    names.add(name);
    found.requiredOneOf(`${at}.protocol`, protocol, PROTOCOLS);
    if (appProtocol !== undefined) found.qualifiedName(`${at}.appProtocol`, appProtocol);
  });
}

export function validateEndpointSliceUpdate(
  found: Findings,
  object: KubernetesObject,
  old: KubernetesObject,
): void {
  validateEndpointSlice(found, object);
  found.immutable("addressType", object["addressType"], old["addressType"]);
}
