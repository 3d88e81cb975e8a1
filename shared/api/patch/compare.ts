import type { Field, Schema } from "../schema.ts";
import {
  EMPTY_SET,
  type FieldSet,
  type FieldSetBuilder,
  LEAF,
  makeNode,
  newNode,
} from "./field-set.ts";
import { getField, isArray, isObject, type JsonObject, jsonEqual } from "./json-value.ts";
import { fieldElement, itemElement, sameItem } from "./path-element.ts";
import { elementOf, fieldOrUntyped, itemField, shapeOf } from "./typed.ts";

/** What changed between two objects. No field is in both sets. */
export interface Comparison {
  /** Fields that were added or have another value. */
  readonly changed: FieldSet;
  readonly removed: FieldSet;
}

/** Fields that no manager owns: identity, and what the server alone writes. */
export const UNOWNED_ROOT = new Set(["apiVersion", "kind"]);
export const UNOWNED_METADATA = new Set([
  "name",
  "namespace",
  "creationTimestamp",
  "selfLink",
  "uid",
  "clusterName",
  "generation",
  "managedFields",
  "resourceVersion",
]);

/**
 * Structs that Kubernetes' own types always have, though empty: setting a field in one does not add
 * the struct. They count from the root on, not inside of list items.
 */
const ALWAYS_PRESENT = new Set([
  "metadata",
  "spec",
  "status",
  "template",
  "strategy",
  "updateStrategy",
  "jobTemplate",
  "loadBalancer",
  "nodeInfo",
  "daemonEndpoints",
  "kubeletEndpoint",
  "involvedObject",
  "regarding",
  "source",
]);

/** Compares two objects by schema; equal parts are skipped by reference, then by value. */
export function compareObjects(
  before: JsonObject | undefined,
  after: JsonObject,
  schema: Schema,
): Comparison {
  const nodes = new Nodes();
  compareFields(before, after, schema, nodes, "root");
  return { changed: nodes.changed ?? EMPTY_SET, removed: nodes.removed ?? EMPTY_SET };
}

/** What differs below an element; the sets are made when the first difference is found. */
class Nodes {
  changed: FieldSetBuilder | undefined = undefined;
  removed: FieldSetBuilder | undefined = undefined;
  private readonly added: boolean;
  private readonly gone: boolean;

  /** `added` and `gone`: the element itself is new, or is there no more. */
  constructor(added = false, gone = false) {
    this.added = added;
    this.gone = gone;
  }

  change(element: string, node: FieldSet | undefined): void {
    if (!node) return;
    this.changed ??= newNode(this.added);
    this.changed[element] = node;
  }

  remove(element: string, node: FieldSet | undefined): void {
    if (!node) return;
    this.removed ??= newNode(this.gone);
    this.removed[element] = node;
  }
}

/** Where in the object: structs that are always present lie on the way from the root only. */
export type Place = "root" | "metadata" | "struct" | "inside";

function compareFields(
  before: JsonObject | undefined,
  after: JsonObject | undefined,
  schema: Schema,
  nodes: Nodes,
  place: Place,
): void {
  const unowned =
    place === "root" ? UNOWNED_ROOT : place === "metadata" ? UNOWNED_METADATA : undefined;
  if (after) {
    for (const name in after) {
      if (unowned?.has(name)) continue;
      const left = before && getField(before, name);
      compareField(left, after[name], schema, name, nodes, place);
    }
  }
  if (!before) return;
  for (const name in before) {
    if (unowned?.has(name) || (after && getField(after, name) !== undefined)) continue;
    compareField(before[name], undefined, schema, name, nodes, place);
  }
}

function compareField(
  before: unknown,
  after: unknown,
  schema: Schema,
  name: string,
  nodes: Nodes,
  place: Place,
): void {
  if (before === after) return;
  const field = fieldOrUntyped(schema, name);
  if (place !== "inside" && shapeOf(field) !== "leaf" && isAlwaysPresent(name, schema)) {
    if (isBare(before) && isBare(after)) return;
    const below = name === "metadata" && place === "root" ? "metadata" : "struct";
    compareValues(before ?? null, after ?? null, field, fieldElement(name), nodes, below);
  } else {
    compareValues(before, after, field, fieldElement(name), nodes, "inside");
  }
}

export function isAlwaysPresent(name: string, schema: Schema): boolean {
  return ALWAYS_PRESENT.has(name) || (schema.type === "object" && schema.required.includes(name));
}

/** Compares the values of one element; undefined: the element is absent. */
function compareValues(
  before: unknown,
  after: unknown,
  field: Field,
  element: string,
  nodes: Nodes,
  place: Place,
): void {
  if (before === after) return;
  const shape = shapeOf(field);
  const goesInside =
    shape !== "leaf" &&
    fits(before, shape) &&
    fits(after, shape) &&
    !(isBare(before) && isBare(after));
  if (!goesInside) {
    if (after === undefined) nodes.remove(element, LEAF);
    else if (before === undefined || !jsonEqual(before, after)) {
      nodes.change(element, LEAF);
    }
    return;
  }
  const below = new Nodes(before === undefined, after === undefined);
  if (shape === "fields") {
    const left = isObject(before) ? before : undefined;
    const right = isObject(after) ? after : undefined;
    compareFields(left, right, field.schema, below, place);
  } else {
    compareItems(asList(before), asList(after), field, below);
  }
  nodes.change(element, makeNode(before === undefined, below.changed));
  nodes.remove(element, makeNode(after === undefined, below.removed));
}

function fits(value: unknown, shape: "fields" | "items"): boolean {
  if (value === undefined || value === null) return true;
  return shape === "fields" ? isObject(value) : isArray(value);
}

/** Absent, null or without content. */
export function isBare(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (isArray(value)) return value.length === 0;
  if (!isObject(value)) return false;
  for (const _ in value) return false;
  return true;
}

function asList(value: unknown): readonly unknown[] {
  return isArray(value) ? value : [];
}

function compareItems(
  before: readonly unknown[],
  after: readonly unknown[],
  field: Field,
  nodes: Nodes,
): void {
  const items = itemField(field);
  if (before.length === after.length && inSamePlaces(before, after, field)) {
    const below = compareInPlaces(before, after, items);
    if (below.size === 0) return;
    // A list that holds a key twice is compared by groups.
    if (after.length < 2 || indexItems(after, field).size === after.length) {
      for (const [index, { changed, removed }] of below) {
        const element = itemElement(field, after[index]);
        nodes.change(element, changed?.[""]);
        nodes.remove(element, removed?.[""]);
      }
      return;
    }
  }
  const left = indexItems(before, field);
  const right = indexItems(after, field);
  for (const element of new Set([...left.keys(), ...right.keys()])) {
    compareGroups(left.get(element) ?? [], right.get(element) ?? [], items, element, nodes);
  }
}

/** Whether both lists have the same items in the same order, though perhaps with other content. */
function inSamePlaces(
  before: readonly unknown[],
  after: readonly unknown[],
  field: Field,
): boolean {
  return before.every((item, index) => {
    const other = after[index];
    return item === other || sameItem(field, item, other);
  });
}

/** What differs at which index. */
function compareInPlaces(
  before: readonly unknown[],
  after: readonly unknown[],
  items: Field,
): Map<number, Nodes> {
  const result = new Map<number, Nodes>();
  for (const [index, item] of after.entries()) {
    if (before[index] === item) continue;
    const below = new Nodes();
    compareValues(before[index], item, items, "", below, "inside");
    if (below.changed || below.removed) result.set(index, below);
  }
  return result;
}

function indexItems(items: readonly unknown[], field: Field): Map<string, unknown[]> {
  const index = new Map<string, unknown[]>();
  for (const item of items) {
    const element = elementOf(field, item);
    if (element === undefined) continue;
    const group = index.get(element);
    if (group) group.push(item);
    else index.set(element, [item]);
  }
  return index;
}

/** Items with the same keys: normally one on each side; several are owned as one. */
function compareGroups(
  before: readonly unknown[],
  after: readonly unknown[],
  items: Field,
  element: string,
  nodes: Nodes,
): void {
  if (before.length <= 1 && after.length <= 1) {
    compareValues(before[0], after[0], items, element, nodes, "inside");
  } else if (before.length >= 2 && after.length >= 2) {
    if (!jsonEqual(before, after)) nodes.change(element, LEAF);
  } else if (before.length >= 2) {
    if (after.length) compareValues(undefined, after[0], items, element, nodes, "inside");
    else nodes.remove(element, LEAF);
  } else {
    if (before.length) compareValues(before[0], undefined, items, element, nodes, "inside");
    nodes.change(element, LEAF);
  }
}
