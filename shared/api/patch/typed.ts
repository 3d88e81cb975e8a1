import { quote } from "../quote.ts";
import type { ArraySchema, Field, ScalarSchema, Schema } from "../schema.ts";
import { type FieldSet, type FieldSetBuilder, makeNode, mapNodes } from "./field-set.ts";
import { fieldOf, isAtomicMap, listTypeOf } from "./fields-of.ts";
import { goFormat, isArray, isObject, type JsonObject } from "./json-value.ts";
import { fieldElement, itemElement, NoPathElement, printElement } from "./path-element.ts";

/** What apply does with a value: takes it whole, or goes into its fields or items. */
export type Shape = "leaf" | "fields" | "items";

export function shapeOf(field: Field): Shape {
  switch (field.schema.type) {
    case "object":
    case "map":
      return isAtomicMap(field) ? "leaf" : "fields";
    case "array":
      return listTypeOf(field) === "atomic" ? "leaf" : "items";
    default:
      return "leaf";
  }
}

const ITEM_FIELDS = new WeakMap<Schema, Field>();

/** The field that describes the items of a list. */
export function itemField(field: Field): Field {
  const { items } = field.schema as ArraySchema;
  const known = ITEM_FIELDS.get(items);
  if (known) return known;
  const result = { schema: items };
  ITEM_FIELDS.set(items, result);
  return result;
}

/** Where the schema knows nothing, values are taken whole. */
export const UNTYPED: Field = { schema: { type: "any" } };

export function fieldOrUntyped(schema: Schema, name: string): Field {
  return fieldOf(schema, name) ?? UNTYPED;
}

/** Whether a field is one of a struct's, in contrast to a key of a map. */
function isNamed(schema: Schema, name: string): boolean {
  return schema.type === "object" && Object.hasOwn(schema.properties, name);
}

/** The fields that an applied configuration claims. The object must be valid by `typeErrors`. */
export function fieldSetOf(object: JsonObject, schema: Schema): FieldSet {
  const result: FieldSetBuilder = {};
  for (const [name, value] of Object.entries(object)) {
    if (value === undefined) continue;
    const below = nodeOf(value, fieldOrUntyped(schema, name));
    const node = isNamed(schema, name) ? below : makeNode(true, below);
    if (node) result[fieldElement(name)] = node;
  }
  return result;
}

function nodeOf(value: unknown, field: Field): FieldSet | undefined {
  const shape = shapeOf(field);
  if (shape === "fields" && isObject(value)) {
    return makeNode(false, fieldSetOf(value, field.schema));
  }
  if (shape === "items" && isArray(value)) {
    const result: FieldSetBuilder = {};
    for (const item of value) {
      const element = elementOf(field, item);
      const node = makeNode(true, nodeOf(item, itemField(field)));
      if (element !== undefined && node) result[element] = node;
    }
    return makeNode(false, result);
  }
  if (shape !== "leaf" && value === null) return undefined;
  return makeNode(true, undefined);
}

/** The element of an item, undefined for one that has no place: nobody owns it. */
export function elementOf(field: Field, item: unknown): string | undefined {
  try {
    return itemElement(field, item);
  } catch (error) {
    if (error instanceof NoPathElement) return undefined;
    throw error;
  }
}

/**
 * The set with every struct field that has members below it as a member itself, so that an emptied
 * struct is removed with its last field.
 */
export function withNamedParents(set: FieldSet, field: Field): FieldSet {
  const { schema } = field;
  return mapNodes(set, (element, member, node) => {
    const name = element.slice(2);
    if (element.startsWith("f:")) {
      const below = withNamedParents(node, fieldOrUntyped(schema, name));
      return makeNode(member || isNamed(schema, name), below);
    }
    const items = schema.type === "array" ? itemField(field) : UNTYPED;
    return makeNode(member, withNamedParents(node, items));
  });
}

/**
 * Where a configuration does not fit the schema, in Kubernetes' words:
 * `.spec.replcas: field not declared in schema`.
 */
export function typeErrors(object: JsonObject, schema: Schema): string[] {
  const errors: string[] = [];
  checkFields(object, schema, "", errors);
  return errors;
}

function checkFields(object: JsonObject, schema: Schema, path: string, errors: string[]): void {
  for (const [name, value] of Object.entries(object)) {
    const field = fieldOf(schema, name);
    const where = `${path}.${name}`;
    if (field) check(value, field, where, errors);
    else errors.push(`${where}: field not declared in schema`);
  }
}

function check(value: unknown, field: Field, path: string, errors: string[]): void {
  if (value === null || value === undefined) return;
  const { schema } = field;
  switch (schema.type) {
    case "any":
      return;
    case "object":
    case "map":
      if (isObject(value)) checkFields(value, schema, path, errors);
      else errors.push(`${path}: expected map, got &{${goFormat(value)}}`);
      return;
    case "array":
      if (isArray(value)) checkItems(value, field, path, errors);
      else errors.push(`${path}: expected list, got &{${goFormat(value)}}`);
      return;
    default: {
      const problem = checkScalar(value, schema);
      if (problem) errors.push(`${path}: ${problem}`);
    }
  }
}

function checkItems(items: readonly unknown[], field: Field, path: string, errors: string[]): void {
  const seen = new Set<string>();
  for (const [index, item] of items.entries()) {
    if (listTypeOf(field) === "atomic") {
      check(item, itemField(field), `${path}[${index}]`, errors);
      continue;
    }
    try {
      const element = itemElement(field, item);
      const print = printElement(element);
      if (seen.has(element)) errors.push(`${path}: duplicate entries for key ${print}`);
      seen.add(element);
      check(item, itemField(field), `${path}${print}`, errors);
    } catch (error) {
      if (!(error instanceof NoPathElement)) throw error;
      errors.push(`${path}: element ${index}: ${error.message}`);
    }
  }
}

function checkScalar(value: unknown, schema: ScalarSchema): string | undefined {
  switch (schema.type) {
    case "integer":
    case "number":
      return typeof value === "number"
        ? undefined
        : `expected numeric (int or float), got ${goType(value)}`;
    case "boolean":
      return typeof value === "boolean" ? undefined : `expected boolean, got &{${goFormat(value)}}`;
    case "string":
      return typeof value === "string" || schema.format === "date-time"
        ? undefined
        : `expected string, got &value.valueUnstructured{Value:${goSyntax(value)}}`;
    default:
      return typeof value === "object" ? `expected scalar, got &{${goFormat(value)}}` : undefined;
  }
}

function goType(value: unknown): string {
  if (isArray(value)) return "[]interface {}";
  if (isObject(value)) return "map[string]interface {}";
  if (typeof value === "boolean") return "bool";
  return typeof value === "number" ? "float64" : "string";
}

/** A value as Go's `%#v` prints it. */
function goSyntax(value: unknown): string {
  if (typeof value === "string") return quote(value);
  if (isArray(value)) return `[]interface {}{${value.map(goSyntax).join(", ")}}`;
  if (isObject(value)) {
    const fields = Object.keys(value).sort();
    const body = fields.map((name) => `${quote(name)}:${goSyntax(value[name])}`).join(", ");
    return `map[string]interface {}{${body}}`;
  }
  return value === null ? "interface {}(nil)" : String(value);
}
