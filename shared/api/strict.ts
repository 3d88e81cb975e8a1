import { isEmpty, isInteger, isLeftOutEmpty, stringNormalizer } from "./check.ts";
import { JsonNumber, JsonObject, type JsonValue, plainValue } from "./json.ts";
import { ScalarError, storedQuantity } from "./scalars.ts";
import type { ObjectSchema, ScalarSchema, Schema } from "./schema.ts";

/** The document cannot be read as its kind: a wrong type, a wrong format. */
export class DecodeError extends Error {}

/** What a document holds, and what is in it that its kind does not have. */
export interface Reading {
  readonly value: unknown;
  /** `unknown field "spec.x"`, `duplicate field "spec.y"`, in document order, each once. */
  readonly problems: readonly string[];
}

const PROBLEMS_MAX = 100;

/**
 * Reads a document by a schema, slowly and exactly: unknown fields and nulls are dropped and
 * reported, of repeated ones the last counts.
 * @throws DecodeError with the first wrong type or format
 */
export function readStrictly(document: JsonValue, schema: Schema): Reading {
  const reader = new StrictReader();
  const value = reader.read(document, schema, { path: "", fields: [], owner: "" });
  return { value, problems: [...reader.problems] };
}

/** Where the reader is: `spec.containers[0].name`, and the fields alone for messages on types. */
interface Place {
  readonly path: string;
  readonly fields: readonly string[];
  /** Name of the definition that the last field belongs to. */
  readonly owner: string;
}

class StrictReader {
  readonly problems = new Set<string>();

  read(value: JsonValue, schema: Schema, at: Place): unknown {
    switch (schema.type) {
      case "object":
        return this.object(value, schema, at);
      case "map":
        return this.map(value, schema, at);
      case "array":
        if (!Array.isArray(value)) throw mismatch(value, schema, at);
        return value.map((member, index) => {
          const place = { ...at, path: `${at.path}[${index}]` };
          return member === null ? zeroOf(schema.items) : this.read(member, schema.items, place);
        });
      case "any":
        return plainValue(value);
      default:
        return readScalar(value, schema, at);
    }
  }

  private object(value: JsonValue, schema: ObjectSchema, at: Place): unknown {
    if (!(value instanceof JsonObject)) throw mismatch(value, schema, at);
    const read = new Map<string, unknown>();
    const keys = new Set<string>();
    for (const [key, member] of value.entries) {
      const path = at.path ? `${at.path}.${key}` : key;
      if (keys.has(key)) this.report(`duplicate field "${path}"`);
      keys.add(key);
      const field = Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined;
      if (!field) this.report(`unknown field "${path}"`);
      else if (member === null) read.delete(key);
      else {
        const place = { path, fields: [...at.fields, key], owner: shortName(schema.name) };
        const value = this.read(member, field.schema, place);
        if (isLeftOutEmpty(schema, key) && isEmpty(value)) read.delete(key);
        else read.set(key, value);
      }
    }
    return Object.fromEntries(read);
  }

  private map(value: JsonValue, schema: Extract<Schema, { type: "map" }>, at: Place): unknown {
    if (!(value instanceof JsonObject)) throw mismatch(value, schema, at);
    const read = new Map<string, unknown>();
    for (const [key, member] of value.entries) {
      const path = `${at.path}.${key}`;
      if (read.has(key)) this.report(`duplicate field "${path}"`);
      const place = { ...at, path };
      const zero = member === null;
      read.set(key, zero ? zeroOf(schema.values) : this.read(member, schema.values, place));
    }
    return Object.fromEntries(read);
  }

  private report(problem: string): void {
    if (this.problems.size < PROBLEMS_MAX) this.problems.add(problem);
  }
}

/** What a null stands for where a value has to be. */
function zeroOf(schema: Schema): unknown {
  switch (schema.type) {
    case "object":
    case "map":
      return {};
    case "array":
      return [];
    case "boolean":
      return false;
    case "integer":
    case "number":
    case "intOrString":
      return 0;
    case "quantity":
      return "0";
    case "any":
      return null;
    default:
      return "";
  }
}

function readScalar(value: JsonValue, schema: ScalarSchema, at: Place): unknown {
  const plain = value instanceof JsonNumber ? value.value : value;
  try {
    switch (schema.type) {
      case "boolean":
        if (typeof plain === "boolean") return plain;
        break;
      case "number":
        if (typeof plain === "number") return plain;
        break;
      case "integer":
        if (isInteger(plain, schema.format)) return plain;
        break;
      case "quantity":
        return storedQuantity(value instanceof JsonNumber ? value.text : String(plain));
      case "intOrString":
        if (typeof plain === "string" || isInteger(plain, "int32")) return plain;
        throw new DecodeError(
          `json: cannot unmarshal ${words(value, true)} into Go value of type int32`,
        );
      default:
        if (typeof plain === "string") return stringNormalizer(schema)?.(plain) ?? plain;
    }
  } catch (error) {
    if (error instanceof ScalarError) throw new DecodeError(error.message);
    throw error;
  }
  if (schema.format === "date-time") {
    throw new DecodeError(`json: cannot unmarshal ${words(value)} into Go value of type string`);
  }
  throw mismatch(value, schema, at);
}

/** How a value is named in messages; a number that does not fit with its digits. */
function words(value: JsonValue, withDigits = false): string {
  if (value === null) return "null";
  if (value instanceof JsonNumber) return withDigits ? `number ${value.text}` : "number";
  if (value instanceof JsonObject) return "object";
  if (Array.isArray(value)) return "array";
  return typeof value === "boolean" ? "bool" : "string";
}

function mismatch(value: JsonValue, schema: Schema, at: Place): DecodeError {
  const found = words(value, schema.type === "integer");
  const type = typeName(schema);
  if (!at.fields.length)
    return new DecodeError(`json: cannot unmarshal ${found} into Go value of type ${type}`);
  const field = `${at.owner}.${at.fields.join(".")}`;
  return new DecodeError(
    `json: cannot unmarshal ${found} into Go struct field ${field} of type ${type}`,
  );
}

function shortName(definition = ""): string {
  return definition.slice(definition.lastIndexOf(".") + 1);
}

/** The type as Kubernetes names it in messages: `int32`, `[]v1.Container`, `map[string]string`. */
function typeName(schema: Schema): string {
  switch (schema.type) {
    case "object":
      return schema.name ? schema.name.split(".").slice(-2).join(".") : "map[string]interface {}";
    case "array":
      return `[]${typeName(schema.items)}`;
    case "map":
      if (schema.values.type === "quantity") return "v1.ResourceList";
      return `map[string]${typeName(schema.values)}`;
    case "boolean":
      return "bool";
    case "integer":
      return schema.format ?? "int64";
    case "number":
      return "float64";
    case "string":
      return schema.format === "byte" ? "[]uint8" : "string";
    default:
      return "interface {}";
  }
}
