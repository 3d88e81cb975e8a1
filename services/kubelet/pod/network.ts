import type { Pod } from "../../../shared/api/generated/types.ts";

/** The cluster's DNS as pods are told of it. */
export interface ClusterDns {
  readonly servers: readonly string[];
  readonly domain: string;
  /** The node's own resolver, for pods that ask for it. */
  readonly host: ResolverConfig;
}

export interface ResolverConfig {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

const SEARCHES_MOST = 32;
const SERVERS_MOST = 3;

/** What the pod's resolv.conf says, by its dnsPolicy and dnsConfig. */
export function podResolver(pod: Pod, dns: ClusterDns): ResolverConfig {
  const base = baseResolver(pod, dns);
  const extra = pod.spec?.dnsConfig;
  const options = [...base.options];
  for (const { name, value } of extra?.options ?? []) {
    if (!name) continue;
    const text = value === undefined || value === "" ? name : `${name}:${value}`;
    const index = options.findIndex((option) => option.split(":")[0] === name);
    if (index >= 0) options[index] = text;
    else options.push(text);
  }
  return {
    servers: unique([...base.servers, ...(extra?.nameservers ?? [])]).slice(0, SERVERS_MOST),
    searches: unique([...base.searches, ...(extra?.searches ?? [])]).slice(0, SEARCHES_MOST),
    options,
  };
}

function baseResolver(pod: Pod, dns: ClusterDns): ResolverConfig {
  const policy = pod.spec?.dnsPolicy ?? "ClusterFirst";
  if (policy === "None") return { servers: [], searches: [], options: [] };
  const ownNetwork = !pod.spec?.hostNetwork || policy === "ClusterFirstWithHostNet";
  if (policy === "Default" || !ownNetwork || dns.servers.length === 0) return dns.host;
  const { domain } = dns;
  const searches = [`${pod.metadata.namespace}.svc.${domain}`, `svc.${domain}`, domain];
  return {
    servers: dns.servers,
    searches: [...searches, ...dns.host.searches],
    options: ["ndots:5"],
  };
}

/** The text of a resolv.conf. */
export function formatResolver({ servers, searches, options }: ResolverConfig): string {
  const lines = servers.map((server) => `nameserver ${server}`);
  if (searches.length > 0) lines.push(`search ${searches.join(" ")}`);
  if (options.length > 0) lines.push(`options ${options.join(" ")}`);
  return `${lines.join("\n")}\n`;
}

/** Reads a resolv.conf. */
export function parseResolver(text: string): ResolverConfig {
  const servers: string[] = [];
  let searches: string[] = [];
  let options: string[] = [];
  for (const line of text.split("\n")) {
    const [word, ...values] = line.trim().split(/\s+/);
    if (word === "nameserver" && values[0]) servers.push(values[0]);
    else if (word === "search") searches = values;
    else if (word === "options") options = values;
  }
  return { servers, searches: searches.filter((one) => one !== "."), options };
}

/** The pod's host name: at most 63 characters, as the kernel takes it. */
export function podHostname(pod: Pod, domain: string): { short: string; domain: string } {
  const name = (pod.spec?.hostname || pod.metadata.name).slice(0, 63).replace(/[-.]+$/, "");
  const subdomain = pod.spec?.subdomain;
  if (!subdomain) return { short: name, domain: "" };
  return { short: name, domain: `${subdomain}.${pod.metadata.namespace}.svc.${domain}` };
}

/** The text of the pod's /etc/hosts. */
export function podHosts(
  pod: Pod,
  addresses: readonly string[],
  names: { short: string; domain: string },
): string {
  const lines = [
    "# Kubernetes-managed hosts file.",
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "fe00::0\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
  ];
  for (const address of addresses) {
    const full = names.domain ? `${names.short}.${names.domain}\t` : "";
    lines.push(`${address}\t${full}${names.short}`);
  }
  return `${lines.join("\n")}\n${hostAliases(pod)}`;
}

/** A pod with the host's network sees the host's own file, and its aliases behind it. */
export function hostNetworkHosts(pod: Pod, hostFile: string): string {
  const header = "# Kubernetes-managed hosts file (host network).\n";
  return `${header}${hostFile}${hostFile.endsWith("\n") ? "" : "\n"}${hostAliases(pod)}`;
}

function hostAliases(pod: Pod): string {
  const aliases = pod.spec?.hostAliases ?? [];
  if (aliases.length === 0) return "";
  const lines = aliases.map(({ ip, hostnames }) => `${ip}\t${(hostnames ?? []).join("\t")}`);
  return `\n# Entries added by HostAliases.\n${lines.join("\n")}\n`;
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}
