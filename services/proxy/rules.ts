import { createHash } from "node:crypto";
import type { Snapshot } from "../../shared/actor/controller.ts";
import { GUARD_CHAIN, GUARD_HOOK, GUARD_RULES } from "../node/guard.ts";
import type { Destination } from "./endpoints.ts";
import type { Chain, NamedSet, Ruleset } from "./ruleset.ts";
import {
  type Family,
  familyOf,
  type HostPortFacts,
  hostPorts,
  type ServicePortFacts,
  servicePorts,
} from "./services.ts";

/** What the rules need to know beside the objects. */
export interface NodeFacts {
  /** The node's name; undefined on a host that is not a node itself. */
  readonly node: string | undefined;
  /** Name of the table; each cluster of a machine has its own. */
  readonly table: string;
  readonly serviceCidrs: readonly string[];
  /**
   * Networks whose members know the way to one another (pods, nodes): traffic between them keeps
   * its source; what leaves them gets the address of the node.
   */
  readonly clusterCidrs: readonly string[];
  /** Local addresses that belong to other clusters of the machine: their NodePorts are not ours. */
  readonly foreignCidrs: readonly string[];
}

/** Marks packets whose source is to be replaced; the same bit as kube-proxy's. */
const MASQUERADE_MARK = "0x4000";
const WITHOUT_MARK = "0xffffbfff";
/** Clients that one endpoint's affinity remembers. */
const AFFINITY_CLIENTS_MAX = 65_535;
const MULTICAST = { IPv4: "224.0.0.0/4", IPv6: "ff00::/8" };
const REFUSE = "reject";

const FAMILIES: readonly { family: Family; word: "ip" | "ip6"; type: string; digit: string }[] = [
  { family: "IPv4", word: "ip", type: "ipv4_addr", digit: "4" },
  { family: "IPv6", word: "ip6", type: "ipv6_addr", digit: "6" },
];

/** The rules of a node for all Services of the snapshot. Equal objects give equal rules. */
export function rulesOf(at: Snapshot, facts: NodeFacts): Ruleset {
  return buildRules(servicePorts(at, facts.node), hostPorts(at, facts.node), facts);
}

/** As `rulesOf`, from what was already derived. */
export function buildRules(
  ports: readonly ServicePortFacts[],
  hosts: readonly HostPortFacts[],
  facts: NodeFacts,
): Ruleset {
  const builder = new Builder(facts);
  for (const port of ports) builder.service(port);
  for (const host of hosts) builder.hostPort(host);
  return builder.finish();
}

interface OpenSet extends NamedSet {
  readonly elements: Map<string, string>;
}

class Builder {
  readonly #facts: NodeFacts;
  readonly #sets = new Map<string, OpenSet>();
  readonly #chains = new Map<string, Chain>();

  constructor(facts: NodeFacts) {
    this.#facts = facts;
    for (const { type, digit } of FAMILIES) {
      this.#declare(`cluster-ips${digit}`, false, `type ${type};`);
      for (const name of ["services", "refused", "host-ports"]) {
        const key = `type ${type} . inet_proto . inet_service : verdict;`;
        this.#declare(`${name}${digit}`, true, key);
      }
      for (const name of ["node-ports", "refused-node-ports", "any-host-ports"]) {
        this.#declare(`${name}${digit}`, true, "type inet_proto . inet_service : verdict;");
      }
    }
    for (const [name, chain] of fixedChains(facts)) this.#chains.set(name, chain);
  }

  /** Chains of one service port: `cluster-` and `local-` spread, `external-` decides which. */
  service(port: ServicePortFacts): void {
    const { family, protocol } = port;
    const digit = digitOf(family);
    const id = `${hashOf(`${port.name} ${family}`)}-${port.name}`;
    const key = `${protocol} . ${port.port}`;
    const policies = this.#policies(port, id);
    this.#add(`cluster-ips${digit}`, port.clusterAddress, "");
    const internal = port.internalLocal ? policies.local : policies.cluster;
    const clusterKey = `${port.clusterAddress} . ${key}`;
    if (internal !== undefined) this.#add(`services${digit}`, clusterKey, `goto ${internal}`);
    else this.#add(`refused${digit}`, clusterKey, port.cluster.length > 0 ? "drop" : "goto refuse");

    const external = this.#external(port, id, policies);
    for (const address of port.externalAddresses) {
      const externalKey = `${address} . ${key}`;
      if (external !== undefined) this.#add(`services${digit}`, externalKey, `goto ${external}`);
      if (external === undefined || policies.dropExternal) {
        const verdict = external === undefined ? "goto refuse" : "drop";
        this.#add(`refused${digit}`, externalKey, verdict);
      }
    }
    if (port.nodePort === 0) return;
    const nodeKey = `${protocol} . ${port.nodePort}`;
    if (external !== undefined) this.#add(`node-ports${digit}`, nodeKey, `goto ${external}`);
    if (external === undefined || policies.dropExternal) {
      const verdict = external === undefined ? "goto refuse" : "drop";
      this.#add(`refused-node-ports${digit}`, nodeKey, verdict);
    }
  }

  hostPort(host: HostPortFacts): void {
    const digit = digitOf(host.family);
    const { word } = wordsOf(host.family);
    const chain = `host-${hashOf(`${host.name} ${host.family} ${host.hostAddress}`)}-${host.name}`;
    const { address } = host.destination;
    this.#chains.set(chain, {
      rules: [
        `${word} saddr ${address} jump mark-for-masquerade`,
        "fib saddr type local jump mark-for-masquerade",
        translate(host.family, host.protocol, host.destination),
      ],
    });
    const key = `${host.protocol} . ${host.port}`;
    if (host.hostAddress === "") this.#add(`any-host-ports${digit}`, key, `goto ${chain}`);
    else this.#add(`host-ports${digit}`, `${host.hostAddress} . ${key}`, `goto ${chain}`);
  }

  finish(): Ruleset {
    return { table: this.#facts.table, sets: this.#sets, chains: this.#chains };
  }

  /** The chains that spread over the endpoints of each policy; undefined: there are none. */
  #policies(port: ServicePortFacts, id: string): Policies {
    const usesLocal = port.internalLocal || port.externalLocal;
    const exposed = port.nodePort !== 0 || port.externalAddresses.length > 0;
    const usesCluster = !port.internalLocal || exposed;
    const reachable = new Map<string, string>();
    const spread = (
      name: string,
      wanted: boolean,
      destinations: readonly Destination[],
    ): string | undefined => {
      if (!wanted || destinations.length === 0) return undefined;
      const chains = destinations.map((destination) => {
        const text = `${destination.address}/${destination.port}`;
        const chain = `endpoint-${id}--${text.replaceAll(":", "_")}`;
        if (!reachable.has(chain)) this.#endpoint(port, chain, destination);
        reachable.set(chain, text);
        return chain;
      });
      this.#chains.set(`${name}-${id}`, { rules: this.#spreadRules(port, chains) });
      return `${name}-${id}`;
    };
    const cluster = spread("cluster", usesCluster, port.cluster);
    const local = spread("local", usesLocal, port.local);
    const dropExternal = exposed && port.externalLocal && local === undefined;
    return { cluster, local, dropExternal };
  }

  #spreadRules(port: ServicePortFacts, chains: readonly string[]): string[] {
    const { word } = wordsOf(port.family);
    const targets = chains.map((chain, index) => `${index} : goto ${chain}`).join(", ");
    const sticky = port.affinitySeconds > 0;
    return [
      ...(sticky
        ? chains.map((chain) => `${word} saddr @${affinitySet(port, chain)} goto ${chain}`)
        : []),
      `numgen random mod ${chains.length} vmap { ${targets} }`,
    ];
  }

  #endpoint(port: ServicePortFacts, chain: string, destination: Destination): void {
    const { word, type } = wordsOf(port.family);
    const rules = [`${word} saddr ${destination.address} jump mark-for-masquerade`];
    if (port.affinitySeconds > 0) {
      const set = affinitySet(port, chain);
      const limits = `timeout ${port.affinitySeconds}s; size ${AFFINITY_CLIENTS_MAX};`;
      this.#declare(set, false, `type ${type}; flags dynamic,timeout; ${limits}`);
      rules.push(`update @${set} { ${word} saddr }`);
    }
    rules.push(translate(port.family, port.protocol, destination));
    this.#chains.set(chain, { rules });
  }

  /** The chain for traffic to NodePorts and external addresses; undefined: no endpoints at all. */
  #external(port: ServicePortFacts, id: string, policies: Policies): string | undefined {
    if (port.nodePort === 0 && port.externalAddresses.length === 0) return undefined;
    const chain = `external-${id}`;
    const { cluster, local } = policies;
    if (cluster === undefined && local === undefined) return undefined;
    const anywhere = cluster ?? local;
    if (!port.externalLocal) {
      this.#chains.set(chain, { rules: ["jump mark-for-masquerade", `goto ${anywhere}`] });
      return chain;
    }
    const { word } = wordsOf(port.family);
    const inside = cidrsOf(this.#facts.clusterCidrs, port.family);
    this.#chains.set(chain, {
      rules: [
        // From within the cluster and from the node itself, every endpoint will do.
        ...(inside === undefined ? [] : [`${word} saddr ${inside} goto ${anywhere}`]),
        "fib saddr type local jump mark-for-masquerade",
        `fib saddr type local goto ${anywhere}`,
        ...(local === undefined ? [] : [`goto ${local}`]),
      ],
    });
    return chain;
  }

  #declare(name: string, map: boolean, declaration: string): void {
    this.#sets.set(name, { map, declaration, elements: new Map() });
  }

  /** The first one who asks for a key gets it: two Services may claim one external address. */
  #add(name: string, key: string, value: string): void {
    const elements = this.#sets.get(name)?.elements;
    if (elements !== undefined && !elements.has(key)) elements.set(key, value);
  }
}

interface Policies {
  readonly cluster: string | undefined;
  readonly local: string | undefined;
  /** The policy is Local and the node has no endpoint: outside traffic is dropped, not answered. */
  readonly dropExternal: boolean;
}

/** The chains that do not depend on Services. */
function fixedChains(facts: NodeFacts): Map<string, Chain> {
  const hook = (type: string, name: string, priority: number): string =>
    `type ${type} hook ${name} priority ${priority}; policy accept;`;
  const filtered = (name: string): Chain => ({
    hook: hook("filter", name, 0),
    rules: ["ct state new jump check"],
  });
  return new Map<string, Chain>([
    // A connection's first packet is translated before it is routed...
    ["prerouting", { hook: hook("nat", "prerouting", -100), rules: ["jump services"] }],
    ["output", { hook: hook("nat", "output", -100), rules: ["jump services"] }],
    // ...gets a new source where the answer would not find back...
    ["postrouting", { hook: hook("nat", "postrouting", 100), rules: masqueradeRules(facts) }],
    // ...and what was not translated though it is for a Service is refused.
    ["filter-input", filtered("input")],
    ["filter-forward", filtered("forward")],
    ["filter-output", filtered("output")],
    [GUARD_CHAIN, { hook: GUARD_HOOK, rules: GUARD_RULES }],
    ["mark-for-masquerade", { rules: [`meta mark set meta mark or ${MASQUERADE_MARK}`] }],
    ["refuse", { rules: [REFUSE] }],
    ["services", { rules: serviceRules(facts) }],
    ["check", { rules: checkRules(facts) }],
  ]);
}

function serviceRules(facts: NodeFacts): string[] {
  const rules: string[] = [];
  for (const { family, word, digit } of FAMILIES) {
    const services = cidrsOf(facts.serviceCidrs, family);
    const inside = cidrsOf(facts.clusterCidrs, family);
    if (services !== undefined && inside !== undefined) {
      rules.push(`${word} saddr != ${inside} ${word} daddr ${services} jump mark-for-masquerade`);
    }
    rules.push(`${word} daddr . meta l4proto . th dport vmap @services${digit}`);
    rules.push(`${word} daddr . meta l4proto . th dport vmap @host-ports${digit}`);
  }
  for (const name of ["any-host-ports", "node-ports"]) rules.push(...localRules(facts, name));
  return rules;
}

function checkRules(facts: NodeFacts): string[] {
  const rules: string[] = [];
  for (const { family, word, digit } of FAMILIES) {
    rules.push(`${word} daddr . meta l4proto . th dport vmap @refused${digit}`);
    // Other ports of a Service's address are refused; addresses that nobody has are silent.
    rules.push(`${word} daddr @cluster-ips${digit} ${REFUSE}`);
    const services = cidrsOf(facts.serviceCidrs, family);
    if (services !== undefined) rules.push(`${word} daddr ${services} drop`);
  }
  return [...rules, ...localRules(facts, "refused-node-ports")];
}

/** Looks a port up in the maps of that name, for packets to this node's own addresses. */
function localRules(facts: NodeFacts, name: string): string[] {
  return FAMILIES.map(({ family, word, digit }) => {
    const foreign = cidrsOf(facts.foreignCidrs, family);
    const ours =
      foreign === undefined ? `meta nfproto ${protocolOf(family)}` : `${word} daddr != ${foreign}`;
    return `fib daddr type local ${ours} meta l4proto . th dport vmap @${name}${digit}`;
  });
}

function masqueradeRules(facts: NodeFacts): string[] {
  const marked = `meta mark and ${MASQUERADE_MARK} == ${MASQUERADE_MARK}`;
  const rules = [`${marked} meta mark set meta mark and ${WITHOUT_MARK} masquerade fully-random`];
  for (const { family, word } of FAMILIES) {
    const inside = cidrsOf(facts.clusterCidrs, family);
    if (inside === undefined) continue;
    const stays = cidrsOf([...facts.clusterCidrs, MULTICAST[family]], family);
    rules.push(`${word} saddr ${inside} ${word} daddr != ${stays} masquerade fully-random`);
  }
  return rules;
}

function translate(family: Family, protocol: string, { address, port }: Destination): string {
  const target = family === "IPv6" ? `[${address}]:${port}` : `${address}:${port}`;
  return `meta l4proto ${protocol} dnat ${wordsOf(family).word} to ${target}`;
}

/** An anonymous set of the family's networks; undefined when there is none. */
function cidrsOf(cidrs: readonly string[], family: Family): string | undefined {
  const mine = cidrs.filter((cidr) => familyOf(cidr) === family);
  return mine.length === 0 ? undefined : `{ ${mine.join(", ")} }`;
}

function wordsOf(family: Family) {
  return FAMILIES[family === "IPv4" ? 0 : 1]!;
}

function digitOf(family: Family): string {
  return wordsOf(family).digit;
}

function protocolOf(family: Family): string {
  return family === "IPv4" ? "ipv4" : "ipv6";
}

/** The timeout is part of the name: a set's declaration cannot be changed. */
function affinitySet(port: ServicePortFacts, endpointChain: string): string {
  return endpointChain.replace("endpoint-", `affinity-${port.affinitySeconds}-`);
}

/** Keeps names apart that would be equal when they are cut or written differently. */
function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 8);
}
