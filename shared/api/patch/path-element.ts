import { quote } from "../quote.ts";
import type { ArraySchema, Field, Schema } from "../schema.ts";
import { fieldOf, listKeysOf, listTypeOf } from "./fields-of.ts";
import { getField, isObject } from "./json-value.ts";

/** The path element of a field: `f:replicas`. */
export function fieldElement(name: string): string {
  return `f:${name}`;
}

/** A list item that has no place in a list by keys or in a set. */
export class NoPathElement extends Error {}

/**
 * The path element of an item of a list that merges: `k:{"name":"web"}` with the key fields sorted
 * and defaults filled in, or `v:"a"` for a set.
 * @throws NoPathElement in Kubernetes' words.
 */
export function itemElement(field: Field, item: unknown): string {
  if (listTypeOf(field) === "set") return setElement(item);
  if (!isObject(item)) {
    const what = item === null ? "a null element" : "non-map elements";
    throw new NoPathElement(`associative list with keys may not have ${what}`);
  }
  const fields = keysOf(field);
  const [only] = fields;
  if (only !== undefined && fields.length === 1) {
    const value = getField(item, only.name);
    if (typeof value === "string") return only.elementOf(value);
  }
  const keys: Record<string, unknown> = {};
  for (const { name, otherwise } of fields) {
    const value = getField(item, name) ?? otherwise;
    if (value === undefined) {
      throw new NoPathElement(
        `associative list with keys has an element that omits key field ${quote(name)} ` +
          "(and doesn't have default value)",
      );
    }
    keys[name] = value;
  }
  return `k:${JSON.stringify(keys)}`;
}

/** Key fields that have a default, by the definition of the list's items. */
const KEY_DEFAULTS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "io.k8s.api.core.v1.ContainerPort": { protocol: "TCP" },
  "io.k8s.api.core.v1.ServicePort": { protocol: "TCP" },
};

const ELEMENTS_MAX = 4096;

class KeyField {
  readonly name: string;
  /** What it is in an item that does not have it; undefined: such an item has no place. */
  readonly otherwise: unknown;
  readonly #elements = new Map<string, string>();

  constructor(name: string, otherwise: unknown) {
    this.name = name;
    this.otherwise = otherwise;
  }

  /** The element of an item that has this key alone: many items are called the same. */
  elementOf(value: string): string {
    let element = this.#elements.get(value);
    if (element === undefined) {
      element = `k:{${JSON.stringify(this.name)}:${JSON.stringify(value)}}`;
      if (this.#elements.size >= ELEMENTS_MAX) this.#elements.clear();
      this.#elements.set(value, element);
    }
    return element;
  }
}

const KEYS = new WeakMap<Field, readonly KeyField[]>();

/** The key fields of a list, sorted. */
function keysOf(field: Field): readonly KeyField[] {
  const known = KEYS.get(field);
  if (known) return known;
  const { items } = field.schema as ArraySchema;
  const names = [...listKeysOf(field)].sort();
  const keys = names.map((name) => new KeyField(name, defaultOf(items, name)));
  KEYS.set(field, keys);
  return keys;
}

/** A key's default; a required key is empty or zero, as in Kubernetes' own types. */
function defaultOf(items: Schema, name: string): unknown {
  const key = fieldOf(items, name);
  if (!key || items.type !== "object") return undefined;
  const given = key.default ?? KEY_DEFAULTS[items.name ?? ""]?.[name];
  if (given !== undefined || !items.required.includes(name)) return given;
  const { type } = key.schema;
  return type === "string" ? "" : type === "integer" ? 0 : undefined;
}

/** Whether two items have the same place, without building their elements. */
export function sameItem(field: Field, left: unknown, right: unknown): boolean {
  if (listTypeOf(field) === "set") return left === right;
  if (!isObject(left) || !isObject(right)) return false;
  return keysOf(field).every(({ name, otherwise }) => {
    const key = getField(left, name) ?? otherwise;
    return key !== undefined && key === (getField(right, name) ?? otherwise);
  });
}

function setElement(item: unknown): string {
  if (item === null) {
    throw new NoPathElement("associative list without keys has an element that's an explicit null");
  }
  if (Array.isArray(item)) {
    throw new NoPathElement("not supported: associative list with lists as elements");
  }
  if (typeof item === "object") {
    throw new NoPathElement("associative list without keys has an element that's a map type");
  }
  return `v:${JSON.stringify(item)}`;
}

/**
 * A path as Kubernetes prints it: `.spec.containers[name="web"].image`,
 * `.metadata.finalizers[="a"]`.
 */
export function printPath(path: readonly string[]): string {
  return path.map(printElement).join("");
}

export function printElement(element: string): string {
  const body = element.slice(2);
  switch (element.charAt(0)) {
    case "k": {
      const keys = Object.entries(JSON.parse(body) as Record<string, unknown>);
      return `[${keys.map(([name, value]) => `${name}=${printValue(value)}`).join(",")}]`;
    }
    case "v":
      return `[=${printValue(JSON.parse(body))}]`;
    case "i":
      return `[${body}]`;
    default:
      return `.${body}`;
  }
}

function printValue(value: unknown): string {
  return typeof value === "string" ? quote(value) : JSON.stringify(value);
}

/** A key of one field without escapes: what most elements of lists are. */
const SIMPLE_KEY = /^k:\{"\w+":(?:"[^"\\]*"|-?(?:0|[1-9]\d*))\}$/;

/**
 * An element in the one spelling that this program writes: clients may send keys in another order
 * or with blanks. Undefined when it is none.
 */
export function canonicalElement(element: string): string | undefined {
  const kind = element.slice(0, 2);
  const body = element.slice(2);
  if (kind === "f:" || element === "." || SIMPLE_KEY.test(element)) return element;
  if (kind === "i:") return /^\d+$/.test(body) ? element : undefined;
  if (kind !== "k:" && kind !== "v:") return undefined;
  try {
    const value: unknown = JSON.parse(body);
    if (kind === "v:") return `v:${JSON.stringify(value)}`;
    if (!isObject(value)) return undefined;
    const keys = Object.keys(value).sort();
    return `k:${JSON.stringify(Object.fromEntries(keys.map((name) => [name, value[name]])))}`;
  } catch {
    return undefined;
  }
}
