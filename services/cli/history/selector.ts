/** Which objects a question is about: `pods`, `deploy/default/`, `pod/default/web-1`. */
import { type GroupResource, keyOf, prefixOf } from "../../../shared/api/key.ts";
import { groupResourceOf, KINDS } from "../../../shared/api/kinds.ts";
import type { KindTable } from "../../../shared/api/schema.ts";
import type { Key } from "../../../shared/store/store.ts";
import { UsageError } from "../usage-error.ts";

export interface Selector {
  /** Prefix of keys, a whole number of segments; with `key`, of its resource and namespace. */
  readonly prefix: string;
  /** One object. */
  readonly key?: Key;
  /** In which log the objects live. */
  readonly log: "cluster" | "events" | "leases";
}

export const EVERYTHING: Selector = { prefix: "", log: "cluster" };

const HELP =
  "It takes a kind (pods), a kind in a namespace (pods/default/) or an object " +
  "(pod/default/web-1, node/node-1).";

/**
 * Understands what `-k` takes; a name without a namespace is in `namespace`.
 * @throws UsageError
 */
export function parseSelector(text: string, namespace = "default"): Selector {
  const parts = text.split("/");
  const [kind = ""] = parts;
  const table = kindNamed(kind);
  // What is not built in is written as it is stored: `widgets.example.com`.
  if (table === undefined && !/^[a-z0-9-]+\.[a-z0-9.-]+$/.test(kind)) {
    throw new UsageError(`There is no kind called ${JSON.stringify(kind)}. ${HELP}`);
  }
  const resource = table === undefined ? kind : groupResourceOf(table);
  const log = table === undefined || table.log === "none" ? "cluster" : table.log;
  const all = { prefix: prefixOf(resource), log };
  if (parts.length === 1) return all;
  if (parts.length > 3) throw new UsageError(`${JSON.stringify(text)} has too many parts. ${HELP}`);
  if (table?.namespaced === false) return { ...clusterObject(resource, parts), log };
  const [, second = "", third] = parts;
  if (third === undefined) return { ...objectOf(resource, namespace, second), log };
  if (third === "") return { prefix: prefixOf(resource, second), log };
  return { ...objectOf(resource, second, third), log };
}

/** Whether the key is selected. */
export function isSelected({ prefix, key }: Selector, candidate: Key): boolean {
  return key === undefined ? candidate.startsWith(prefix) : candidate === key;
}

function clusterObject(resource: GroupResource, parts: readonly string[]) {
  const name = parts.at(-1) ?? "";
  return name === "" ? { prefix: prefixOf(resource) } : objectOf(resource, "", name);
}

function objectOf(resource: GroupResource, namespace: string, name: string) {
  if (name === "") return { prefix: prefixOf(resource, namespace) };
  return { prefix: prefixOf(resource, namespace), key: keyOf(resource, namespace, name) };
}

/** By plural, singular, short name or kind, each with or without the group. */
export function kindNamed(text: string): KindTable | undefined {
  const wanted = text.toLowerCase();
  return KINDS.find((table) => {
    if (table.storedAs !== undefined) return false;
    const names = [table.plural, table.singular, table.kind.toLowerCase(), ...table.shortNames];
    return names.some((name) => wanted === name || wanted === `${name}.${table.group}`);
  });
}
