import type { Field, Schema } from "../schema.ts";
import { EMPTY_SET, type FieldSet, type FieldSetBuilder, makeNode } from "./field-set.ts";
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
const UNOWNED = new Set(["apiVersion", "kind"]);
const UNOWNED_METADATA = new Set([
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
  const nodes: Nodes = { changed: undefined, removed: undefined };
  compareFields(before, after, schema, nodes, "root");
  return { changed: nodes.changed ?? EMPTY_SET, removed: nodes.removed ?? EMPTY_SET };
}

interface Nodes {
  changed: FieldSetBuilder | undefined;
  removed: FieldSetBuilder | undefined;
}

/** Where in the object: structs that are always present lie on the way from the root only. */
type Place = "root" | "metadata" | "struct" | "inside";

function compareFields(
  before: JsonObject | undefined,
  after: JsonObject | undefined,
  schema: Schema,
  nodes: Nodes,
  place: Place,
): void {
  const unowned = place === "root" ? UNOWNED : place === "metadata" ? UNOWNED_METADATA : undefined;
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

function isAlwaysPresent(name: string, schema: Schema): boolean {
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
    if (after === undefined) add(nodes, "removed", element, makeNode(true, undefined));
    else if (before === undefined || !jsonEqual(before, after)) {
      add(nodes, "changed", element, makeNode(true, undefined));
    }
    return;
  }
  const below: Nodes = { changed: undefined, removed: undefined };
  if (shape === "fields") {
    const left = isObject(before) ? before : undefined;
    const right = isObject(after) ? after : undefined;
    compareFields(left, right, field.schema, below, place);
  } else {
    compareItems(asList(before), asList(after), field, below);
  }
  add(nodes, "changed", element, makeNode(before === undefined, below.changed));
  add(nodes, "removed", element, makeNode(after === undefined, below.removed));
}

function add(nodes: Nodes, which: keyof Nodes, element: string, node: FieldSet | undefined): void {
  if (!node) return;
  nodes[which] ??= {};
  nodes[which][element] = node;
}

function fits(value: unknown, shape: "fields" | "items"): boolean {
  if (value === undefined || value === null) return true;
  return shape === "fields" ? isObject(value) : isArray(value);
}

/** Absent, null or without content. */
function isBare(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (isArray(value)) return value.length === 0;
  return isObject(value) && Object.keys(value).length === 0;
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
    for (const [index, item] of after.entries()) {
      const other = before[index];
      if (other === item) continue;
      const below: Nodes = { changed: undefined, removed: undefined };
      compareValues(other, item, items, "", below, "inside");
      if (!below.changed && !below.removed) continue;
      const element = itemElement(field, item);
      add(nodes, "changed", element, below.changed?.[""]);
      add(nodes, "removed", element, below.removed?.[""]);
    }
    return;
  }
  const left = indexItems(before, field);
  const right = indexItems(after, field);
  for (const element of new Set([...left.keys(), ...right.keys()])) {
    compareGroups(left.get(element) ?? [], right.get(element) ?? [], items, element, nodes);
  }
}

function inSamePlaces(
  before: readonly unknown[],
  after: readonly unknown[],
  field: Field,
): boolean {
  // A list that holds a key twice is compared by groups, below.
  if (!before.every((item, index) => item === after[index] || sameItem(field, item, after[index])))
    return false;
  return before.length < 2 || indexItems(after, field).size === after.length;
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
  const self = makeNode(true, undefined);
  if (before.length <= 1 && after.length <= 1) {
    compareValues(before[0], after[0], items, element, nodes, "inside");
  } else if (before.length >= 2 && after.length >= 2) {
    if (!jsonEqual(before, after)) add(nodes, "changed", element, self);
  } else if (before.length >= 2) {
    if (after.length) compareValues(undefined, after[0], items, element, nodes, "inside");
    else add(nodes, "removed", element, self);
  } else {
    if (before.length) compareValues(before[0], undefined, items, element, nodes, "inside");
    add(nodes, "changed", element, self);
  }
}
