/**
 * An nftables table as data, and the commands that turn one state of it into another. Everything
 * that the proxy loads goes through here, as one transaction of `nft -f -`.
 */
export interface Ruleset {
  /** Name of the table, of family inet. */
  readonly table: string;
  readonly sets: ReadonlyMap<string, NamedSet>;
  readonly chains: ReadonlyMap<string, Chain>;
}

/** A set or, with `map`, a map. */
export interface NamedSet {
  readonly map: boolean;
  /** `type ipv4_addr; flags ...` as in nft's language, each statement closed by a semicolon. */
  readonly declaration: string;
  /** Elements by key; sets have "" as values. Dynamic sets have none: the kernel fills them. */
  readonly elements: ReadonlyMap<string, string>;
}

export interface Chain {
  /** For a base chain: `type nat hook prerouting priority -100;`. */
  readonly hook?: string;
  readonly rules: readonly string[];
}

/** What a table holds by name, without its content. */
export interface TableNames {
  readonly sets: ReadonlySet<string>;
  readonly maps: ReadonlySet<string>;
  readonly chains: ReadonlySet<string>;
}

/** Commands in the order in which they must run. */
export interface Script {
  /** One transaction: after it, the new rules hold. Empty: nothing changes. */
  readonly change: string;
  /**
   * A second transaction that removes what nothing refers to any more. Older kernels count the
   * references of a transaction's own deletions, so that it cannot be part of the first.
   */
  readonly cleanup: string;
}

/** Makes the table anew, whatever it holds; forgets the affinity of clients. */
export function replaceScript(next: Ruleset): Script {
  const head = [`add table inet ${next.table}`, `delete table inet ${next.table}`];
  return { change: textOf([...head, ...buildLines(next)]), cleanup: "" };
}

/**
 * Takes over a table that holds something of the same make, of which only the names are known (the
 * process was started again): all rules are written anew; dynamic sets keep what they learned.
 */
export function adoptScript(existing: TableNames, next: Ruleset): Script {
  const { table } = next;
  const lines = [`add table inet ${table}`, ...declarations(next)];
  for (const name of existing.chains) lines.push(`flush chain inet ${table} ${name}`);
  for (const name of existing.maps) lines.push(`flush map inet ${table} ${name}`);
  for (const name of existing.sets) {
    const known = next.sets.get(name);
    if (known === undefined || !isDynamic(known)) lines.push(`flush set inet ${table} ${name}`);
  }
  for (const [name, set] of next.sets)
    lines.push(...elementLines("add", table, name, set.elements));
  for (const [name, chain] of next.chains) lines.push(...ruleLines(table, name, chain));
  return { change: textOf(lines), cleanup: textOf(removeLines(table, existing, next)) };
}

/** Only what differs. Rules of unchanged Services, and their affinity, are not touched. */
export function changeScript(previous: Ruleset, next: Ruleset): Script {
  const { table } = next;
  const lines: string[] = [];
  const changedChains: [string, Chain][] = [];
  for (const [name, set] of next.sets) {
    if (!previous.sets.has(name)) lines.push(declareSet(table, name, set));
  }
  for (const [name, chain] of next.chains) {
    const old = previous.chains.get(name);
    if (old === undefined) lines.push(declareChain(table, name, chain));
    if (old === undefined || !sameRules(old, chain)) changedChains.push([name, chain]);
  }
  for (const [name, old] of previous.sets) {
    const gone = withoutSame(old.elements, next.sets.get(name)?.elements);
    lines.push(...elementLines("delete", table, name, keysOnly(gone)));
  }
  for (const [name, chain] of changedChains) {
    if (previous.chains.has(name)) lines.push(`flush chain inet ${table} ${name}`);
    lines.push(...ruleLines(table, name, chain));
  }
  for (const [name, set] of next.sets) {
    const fresh = withoutSame(set.elements, previous.sets.get(name)?.elements);
    lines.push(...elementLines("add", table, name, fresh));
  }
  for (const name of previous.chains.keys()) {
    if (!next.chains.has(name)) lines.push(`flush chain inet ${table} ${name}`);
  }
  return { change: textOf(lines), cleanup: textOf(removeLines(table, namesOf(previous), next)) };
}

/** Names of everything in the ruleset. */
export function namesOf(ruleset: Ruleset): TableNames {
  const named = [...ruleset.sets];
  return {
    sets: new Set(named.filter(([, set]) => !set.map).map(([name]) => name)),
    maps: new Set(named.filter(([, set]) => set.map).map(([name]) => name)),
    chains: new Set(ruleset.chains.keys()),
  };
}

function buildLines(next: Ruleset): string[] {
  const { table } = next;
  const lines = [`add table inet ${table}`, ...declarations(next)];
  for (const [name, set] of next.sets)
    lines.push(...elementLines("add", table, name, set.elements));
  for (const [name, chain] of next.chains) lines.push(...ruleLines(table, name, chain));
  return lines;
}

function declarations({ table, sets, chains }: Ruleset): string[] {
  return [
    ...[...sets].map(([name, set]) => declareSet(table, name, set)),
    ...[...chains].map(([name, chain]) => declareChain(table, name, chain)),
  ];
}

function declareSet(table: string, name: string, set: NamedSet): string {
  return `add ${set.map ? "map" : "set"} inet ${table} ${name} { ${set.declaration} }`;
}

function declareChain(table: string, name: string, { hook }: Chain): string {
  return `add chain inet ${table} ${name}${hook === undefined ? "" : ` { ${hook} }`}`;
}

function ruleLines(table: string, name: string, { rules }: Chain): string[] {
  return rules.map((rule) => `add rule inet ${table} ${name} ${rule}`);
}

function elementLines(
  verb: "add" | "delete",
  table: string,
  name: string,
  elements: ReadonlyMap<string, string>,
): string[] {
  if (elements.size === 0) return [];
  const all = [...elements].map(([key, value]) => (value === "" ? key : `${key} : ${value}`));
  return [`${verb} element inet ${table} ${name} { ${all.join(", ")} }`];
}

function removeLines(table: string, existing: TableNames, next: Ruleset): string[] {
  const wanted = namesOf(next);
  const lines: string[] = [];
  for (const name of existing.chains) {
    if (!wanted.chains.has(name)) lines.push(`delete chain inet ${table} ${name}`);
  }
  for (const name of existing.sets) {
    if (!wanted.sets.has(name)) lines.push(`delete set inet ${table} ${name}`);
  }
  for (const name of existing.maps) {
    if (!wanted.maps.has(name)) lines.push(`delete map inet ${table} ${name}`);
  }
  return lines;
}

function withoutSame(
  elements: ReadonlyMap<string, string>,
  others: ReadonlyMap<string, string> | undefined,
): Map<string, string> {
  return new Map([...elements].filter(([key, value]) => others?.get(key) !== value));
}

function keysOnly(elements: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...elements.keys()].map((key) => [key, ""]));
}

function sameRules(one: Chain, other: Chain): boolean {
  return (
    one.rules.length === other.rules.length &&
    one.rules.every((rule, index) => rule === other.rules[index])
  );
}

function isDynamic(set: NamedSet): boolean {
  return set.declaration.includes("dynamic");
}

function textOf(lines: readonly string[]): string {
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}
