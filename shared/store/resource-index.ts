import type { ObjectMeta } from "../api/object.ts";
import { partsOfEntry } from "./entry.ts";
import { SortedEntries } from "./sorted.ts";
import type { Entry } from "./view.ts";

const NOTHING: readonly Entry[] = Object.freeze([]);
/** So many entries are looked through sooner than a second index is asked, and built. */
const FEW = 100;

/**
 * All entries of one resource, in key order, by namespace, and by label, owner and node. The last
 * three are built when they are first asked for, because they have to look into every object; many
 * processes never ask.
 */
export class ResourceIndex {
  readonly #all = new SortedEntries();
  readonly #namespaces = new Map<string, SortedEntries>();
  #labels: TermIndex | undefined;
  #owners: TermIndex | undefined;
  #nodes: TermIndex | undefined;

  get size(): number {
    return this.#all.size;
  }

  /** Takes the change of one key from `old` to `next`; at least one of them is there. */
  apply(old: Entry | undefined, next: Entry | undefined): void {
    change(this.#all, old, next);
    const namespace = (next ?? old)?.namespace ?? "";
    let entries = this.#namespaces.get(namespace);
    if (!entries) {
      entries = new SortedEntries();
      this.#namespaces.set(namespace, entries);
    }
    change(entries, old, next);
    if (entries.size === 0) this.#namespaces.delete(namespace);
    this.#labels?.apply(old, next);
    this.#owners?.apply(old, next);
    this.#nodes?.apply(old, next);
  }

  list(namespace?: string): readonly Entry[] {
    if (namespace === undefined) return this.#all.list();
    return this.#namespaces.get(namespace)?.list() ?? NOTHING;
  }

  ownedBy(uid: string): readonly Entry[] {
    this.#owners ??= this.#build(ownerTerms);
    return this.#owners.list(uid);
  }

  onNode(node: string): readonly Entry[] {
    this.#nodes ??= this.#build(nodeTerms);
    return this.#nodes.list(node);
  }

  uncontrolled(namespace: string, labels: Readonly<Record<string, string>>): readonly Entry[] {
    this.#owners ??= this.#build(ownerTerms);
    let smallest = this.#owners.list(uncontrolledTerm(namespace));
    const pairs = Object.entries(labels);
    if (pairs.length === 0 || smallest.length === 0) return smallest;
    if (smallest.length > FEW) {
      const labelled = this.labelled(namespace, labels);
      if (labelled.length < smallest.length) smallest = labelled;
    }
    return smallest.filter((entry) => {
      const metadata = metadataOf(entry);
      return hasLabels(metadata, pairs) && !isControlled(metadata);
    });
  }

  labelled(
    namespace: string | undefined,
    labels: Readonly<Record<string, string>>,
  ): readonly Entry[] {
    const pairs = Object.entries(labels);
    if (pairs.length === 0) return this.list(namespace);
    this.#labels ??= this.#build(labelTerms);
    if (namespace !== undefined) return this.#labelledIn(this.#labels, namespace, pairs);
    const found: Entry[] = [];
    for (const name of this.#namespaces.keys()) {
      for (const entry of this.#labelledIn(this.#labels, name, pairs)) found.push(entry);
    }
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  #labelledIn(
    index: TermIndex,
    namespace: string,
    pairs: readonly (readonly [string, string])[],
  ): readonly Entry[] {
    let smallest = index.list(labelTerm(namespace, pairs[0] as [string, string]));
    if (pairs.length === 1) return smallest;
    for (const pair of pairs.slice(1)) {
      const entries = index.list(labelTerm(namespace, pair));
      if (entries.length < smallest.length) smallest = entries;
    }
    return smallest.filter((entry) => hasLabels(metadataOf(entry), pairs));
  }

  #build(termsOf: TermsOf): TermIndex {
    const index = new TermIndex(termsOf);
    for (const entry of this.#all.list()) index.apply(undefined, entry);
    return index;
  }
}

type TermsOf = (entry: Entry) => readonly string[];

/** Entries by the terms that their objects have. */
class TermIndex {
  readonly #termsOf: TermsOf;
  readonly #entries = new Map<string, SortedEntries>();

  constructor(termsOf: TermsOf) {
    this.#termsOf = termsOf;
  }

  list(term: string): readonly Entry[] {
    return this.#entries.get(term)?.list() ?? NOTHING;
  }

  apply(old: Entry | undefined, next: Entry | undefined): void {
    const before = old ? this.#termsOf(old) : [];
    const after = next ? this.#termsOf(next) : [];
    for (const term of before) {
      const entries = this.#entries.get(term);
      if (!entries || !old || after.includes(term)) continue;
      entries.remove(old.key);
      if (entries.size === 0) this.#entries.delete(term);
    }
    if (!next) return;
    for (const term of after) {
      let entries = this.#entries.get(term);
      if (!entries) {
        entries = new SortedEntries();
        this.#entries.set(term, entries);
      }
      if (before.includes(term)) entries.replace(next);
      else entries.add(next);
    }
  }
}

function change(entries: SortedEntries, old: Entry | undefined, next: Entry | undefined): void {
  if (old && next) entries.replace(next);
  else if (next) entries.add(next);
  else if (old) entries.remove(old.key);
}

function metadataOf(entry: Entry): Readonly<Partial<ObjectMeta>> {
  return (partsOfEntry(entry).part("metadata") as ObjectMeta | undefined) ?? {};
}

function labelTerms(entry: Entry): readonly string[] {
  const { labels } = metadataOf(entry);
  if (!labels) return [];
  return Object.entries(labels).map((pair) => labelTerm(entry.namespace, pair));
}

/** Namespaces have no slash, label names no equals sign: every term reads in one way only. */
function labelTerm(namespace: string, [name, value]: readonly [string, string]): string {
  return `${namespace}/${name}=${value}`;
}

function hasLabels(
  { labels }: Readonly<Partial<ObjectMeta>>,
  pairs: readonly (readonly [string, string])[],
): boolean {
  return pairs.every(([name, value]) => labels?.[name] === value);
}

/** The uids of the owners; of what has no controller, its namespace too. */
function ownerTerms(entry: Entry): readonly string[] {
  const metadata = metadataOf(entry);
  const terms = metadata.ownerReferences?.map((owner) => owner.uid) ?? [];
  if (!isControlled(metadata)) terms.push(uncontrolledTerm(entry.namespace));
  return terms.length > 1 ? [...new Set(terms)] : terms;
}

function isControlled({ ownerReferences }: Readonly<Partial<ObjectMeta>>): boolean {
  return ownerReferences?.some(({ controller }) => controller === true) === true;
}

/** No uid: those have no slash. */
function uncontrolledTerm(namespace: string): string {
  return `/${namespace}`;
}

function nodeTerms(entry: Entry): readonly string[] {
  const node = partsOfEntry(entry).part("spec", "nodeName");
  return typeof node === "string" && node !== "" ? [node] : [];
}
