import type { Snapshot } from "../../shared/actor/controller.ts";
import type { Service } from "../../shared/api/generated/types.ts";
import { addressOfReverseName, networkHolds } from "./addresses.ts";
import { type HeadlessEndpoint, headlessEndpoints } from "./endpoints.ts";

/** What the cluster's DNS is responsible for. */
export interface Zone {
  /** The cluster domain, in lower case: `cluster.local`. */
  readonly domain: string;
  /** ClusterIP of the DNS Service. */
  readonly dnsAddress: string;
  /** Networks whose reverse names nobody else knows: pods, Services. */
  readonly cidrs: readonly string[];
}

export interface Question {
  readonly name: string;
  readonly type: string;
}

export type DnsRecord = { readonly name: string; readonly ttl: number } & (
  | { readonly type: "A" | "AAAA" | "CNAME" | "PTR" | "NS" | "TXT"; readonly data: string }
  | { readonly type: "SRV"; readonly data: SrvData }
  | { readonly type: "SOA"; readonly data: SoaData }
);

interface SrvData {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}

interface SoaData {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  readonly minimum: number;
}

export interface Answer {
  readonly code: "NOERROR" | "NXDOMAIN";
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
  /** The answer ends in an alias for this name outside the zone: its records have to be added. */
  readonly follow?: string;
}

/** Seconds; Services change often, and asking again is cheap. */
const TTL = 5;
/** Version of the specification (Kubernetes DNS-Based Service Discovery) that this implements. */
const SCHEMA = "1.1.0";
const ALIASES_MAX = 8;

/** Everything known about a name; undefined: there is no such name. */
type Known = readonly DnsRecord[] | undefined;

/**
 * The answer to a question about the cluster, or undefined when the name is not the cluster's.
 * A name without records of the type asked for is answered empty, with the zone's SOA; so is a name
 * that is only part of longer ones.
 */
export function answer(question: Question, at: Snapshot, zone: Zone): Answer | undefined {
  return answerAliases(question, at, zone, 0);
}

function answerAliases(
  question: Question,
  at: Snapshot,
  zone: Zone,
  depth: number,
): Answer | undefined {
  const { name, type } = question;
  const lower = name.toLowerCase().replace(/\.$/, "");
  const known = lookup(lower, name, at, zone);
  if (known === "foreign") return undefined;
  if (known === undefined) return empty("NXDOMAIN", zone);
  const alias = known.find((record) => record.type === "CNAME");
  if (alias !== undefined && type !== "CNAME" && type !== "ANY") {
    const target = String(alias.data);
    const rest =
      depth < ALIASES_MAX ? answerAliases({ name: target, type }, at, zone, depth + 1) : undefined;
    if (rest === undefined) {
      return {
        code: "NOERROR",
        answers: [alias],
        authorities: [],
        additionals: [],
        follow: target,
      };
    }
    return { ...rest, answers: [alias, ...rest.answers] };
  }
  const answers = known.filter((record) => type === "ANY" || record.type === type);
  if (answers.length === 0) return empty("NOERROR", zone);
  return { code: "NOERROR", answers, authorities: [], additionals: glue(answers, at, zone) };
}

function empty(code: Answer["code"], zone: Zone): Answer {
  return { code, answers: [], authorities: [authorityOf(zone)], additionals: [] };
}

function authorityOf({ domain }: Zone): DnsRecord {
  return {
    name: domain,
    type: "SOA",
    ttl: TTL,
    data: {
      mname: `ns.dns.${domain}`,
      rname: `hostmaster.${domain}`,
      // The zone is not transferred, so that nobody compares serial numbers.
      serial: 1,
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: TTL,
    },
  };
}

/** Addresses of the names that SRV records point to, so that nobody has to ask again. */
function glue(answers: readonly DnsRecord[], at: Snapshot, zone: Zone): DnsRecord[] {
  const targets = new Set(
    answers.flatMap((record) => (record.type === "SRV" ? [record.data.target] : [])),
  );
  return [...targets].flatMap((target) => {
    const known = lookup(target, target, at, zone);
    return Array.isArray(known)
      ? (known as DnsRecord[]).filter(({ type }) => type === "A" || type === "AAAA")
      : [];
  });
}

/** `shown` is the name as the client wrote it: records carry it back. */
function lookup(name: string, shown: string, at: Snapshot, zone: Zone): Known | "foreign" {
  const reverse = addressOfReverseName(name);
  if (reverse !== undefined) {
    const owner = ownerOf(reverse, at, zone);
    if (owner !== undefined) return [{ name: shown, type: "PTR", ttl: TTL, data: owner }];
    return zone.cidrs.some((cidr) => networkHolds(cidr, reverse)) ? undefined : "foreign";
  }
  if (name !== zone.domain && !name.endsWith(`.${zone.domain}`)) return "foreign";
  const labels = name.slice(0, -zone.domain.length).split(".").slice(0, -1);
  const top = labels.pop();
  if (top === undefined) {
    const server = `ns.dns.${zone.domain}`;
    return [authorityOf(zone), { name: shown, type: "NS", ttl: TTL, data: server }];
  }
  if (top === "svc") return lookupService(labels, shown, at, zone);
  if (top === "pod") return lookupPod(labels, shown, at);
  if (labels.length === 0 && top === "dns-version") {
    return [{ name: shown, type: "TXT", ttl: TTL, data: SCHEMA }];
  }
  if (top === "dns" && labels.length === 0) return [];
  if (top === "dns" && labels.length === 1 && labels[0] === "ns") {
    return addressRecords(shown, [zone.dnsAddress]);
  }
  return undefined;
}

/** Names below `svc.<zone>`; the labels are those in front of it. */
function lookupService(labels: string[], shown: string, at: Snapshot, zone: Zone): Known {
  const namespace = labels.pop();
  if (namespace === undefined) return [];
  const serviceName = labels.pop();
  if (serviceName === undefined) return at.get("namespaces", "", namespace) ? [] : undefined;
  const service = at.get<Service>("services", namespace, serviceName);
  if (service === undefined) return undefined;
  const full = `${serviceName}.${namespace}.svc.${zone.domain}`;
  if (service.spec?.type === "ExternalName") {
    if (labels.length > 0) return undefined;
    const target = (service.spec.externalName ?? "").replace(/\.$/, "");
    return [{ name: shown, type: "CNAME", ttl: TTL, data: target }];
  }
  if (service.spec?.clusterIP === "None") {
    return lookupHeadless(labels, shown, headlessEndpoints(service, at), full);
  }
  if (labels.length === 0) return addressRecords(shown, clusterAddresses(service));
  const ports = (service.spec?.ports ?? []).flatMap((port) =>
    port.name ? [{ name: port.name, protocol: port.protocol ?? "TCP", port: port.port }] : [],
  );
  return serviceRecords(labels, shown, ports, [full]);
}

/** A headless Service without ready endpoints does not exist, says the specification. */
function lookupHeadless(
  labels: readonly string[],
  shown: string,
  endpoints: readonly HeadlessEndpoint[],
  full: string,
): Known {
  if (endpoints.length === 0) return undefined;
  if (labels.length === 0) {
    return addressRecords(
      shown,
      endpoints.map(({ address }) => address),
    );
  }
  if (labels.length === 1 && !labels[0]?.startsWith("_")) {
    const named = endpoints.filter(({ hostname }) => hostname === labels[0]);
    if (named.length === 0) return undefined;
    return addressRecords(
      shown,
      named.map(({ address }) => address),
    );
  }
  const found = endpoints.map(({ hostname, ports }) =>
    serviceRecords(labels, shown, ports, [`${hostname}.${full}`]),
  );
  const there = found.filter((records) => records !== undefined);
  if (there.length === 0) return undefined;
  const unique = new Map(there.flat().map((record) => [JSON.stringify(record), record]));
  return [...unique.values()];
}

interface NamedPort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
}

/** `_port._protocol` in front of a Service, or `_protocol` alone, which is only part of names. */
function serviceRecords(
  labels: readonly string[],
  shown: string,
  ports: readonly NamedPort[],
  targets: readonly string[],
): Known {
  const protocol = labels.at(-1);
  const sameProtocol = ports.filter((port) => `_${port.protocol.toLowerCase()}` === protocol);
  if (labels.length > 2 || sameProtocol.length === 0) return undefined;
  if (labels.length === 1) return [];
  const wanted = sameProtocol.filter((port) => `_${port.name.toLowerCase()}` === labels[0]);
  if (wanted.length === 0) return undefined;
  return wanted.flatMap(({ port }) =>
    targets.map(
      (target): DnsRecord => ({
        name: shown,
        type: "SRV",
        ttl: TTL,
        data: { priority: 0, weight: 100, port, target },
      }),
    ),
  );
}

/** `10-244-0-2.<namespace>.pod.<zone>`: any address, as kube-dns answered. */
function lookupPod(labels: string[], shown: string, at: Snapshot): Known {
  const namespace = labels.pop();
  if (namespace === undefined) return [];
  if (!at.get("namespaces", "", namespace)) return undefined;
  const address = labels.pop();
  if (address === undefined) return [];
  if (labels.length > 0) return undefined;
  const four = address.split("-");
  if (four.length === 4 && four.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) {
    return addressRecords(shown, [four.map(Number).join(".")]);
  }
  const six = address.replaceAll("-", ":");
  return networkHolds("::/0", six) ? addressRecords(shown, [six]) : undefined;
}

function addressRecords(name: string, addresses: readonly string[]): DnsRecord[] {
  return addresses.map((data) => ({
    name,
    type: data.includes(":") ? "AAAA" : "A",
    ttl: TTL,
    data,
  }));
}

function clusterAddresses({ spec }: Service): string[] {
  return spec?.clusterIPs ?? (spec?.clusterIP ? [spec.clusterIP] : []);
}

/** The name that an address has in the cluster. */
function ownerOf(address: string, at: Snapshot, zone: Zone): string | undefined {
  const headless: Service[] = [];
  for (const service of at.list<Service>("services")) {
    const { name, namespace } = service.metadata;
    if (service.spec?.clusterIP === "None") headless.push(service);
    else if (clusterAddresses(service).some((one) => networkHolds(one, address))) {
      return `${name}.${namespace}.svc.${zone.domain}`;
    }
  }
  for (const service of headless) {
    const found = headlessEndpoints(service, at).find((one) => networkHolds(one.address, address));
    const { name, namespace } = service.metadata;
    if (found) return `${found.hostname}.${name}.${namespace}.svc.${zone.domain}`;
  }
  return undefined;
}
