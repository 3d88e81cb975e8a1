import { badRequest } from "../errors.ts";
import { MESSAGES } from "../generated/protobuf.ts";
import { parseApiVersion } from "../kinds.ts";
import type { KubernetesObject } from "../object.ts";
import type { ObjectSchema, Schema } from "../schema.ts";
import { kindSchema } from "../schemas.ts";
import { malformed, packedVarints, wireFields } from "./wire.ts";

/** The content type of objects in protobuf. */
export const PROTOBUF_TYPE = "application/vnd.kubernetes.protobuf";

/** Every body begins with these bytes; a `runtime.Unknown` message follows. */
const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00]);

type Values = Record<string, unknown>;

/**
 * Decodes an object as Kubernetes' clients encode it (type and raw bytes in an envelope) to what
 * its JSON would say. Fields at their zero value that JSON leaves out are left out.
 * @throws StatusError BadRequest
 */
export function decodeProtobuf(body: Uint8Array): KubernetesObject {
  if (body.length < 4 || MAGIC.compare(body, 0, 4) !== 0) throw malformed();
  let apiVersion = "";
  let kind = "";
  let raw: Uint8Array = new Uint8Array(0);
  for (const { number, value } of wireFields(body.subarray(4))) {
    if (number === 1) {
      for (const field of wireFields(bytesOf(value))) {
        if (field.number === 1) apiVersion = textOf(field.value);
        if (field.number === 2) kind = textOf(field.value);
      }
    } else if (number === 2) raw = bytesOf(value);
    else if (number === 3 && bytesOf(value).length > 0) {
      throw badRequest("encoded protobuf objects are not supported");
    }
  }
  const schema = schemaOfKind(apiVersion, kind);
  const content: Values = {};
  decodeInto(content, raw, schema.name ?? "", schema);
  // What is no object with metadata (options, ...) gets none
  return { apiVersion, kind, ...content } as KubernetesObject;
}

function schemaOfKind(apiVersion: string, kind: string): ObjectSchema {
  const parsed = parseApiVersion(apiVersion);
  try {
    return kindSchema(parsed?.group ?? "", parsed?.version ?? "", kind);
  } catch {
    throw badRequest(
      `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`,
    );
  }
}

interface FieldNumber {
  readonly name: string;
  /** Absent and empty differ. */
  readonly pointer: boolean;
  /** The type whose fields JSON has in place of this one. */
  readonly inline: string | undefined;
}

const numbers = new Map<string, ReadonlyMap<number, FieldNumber>>();

/** The fields of a type by number. */
function numbersOf(type: string): ReadonlyMap<number, FieldNumber> {
  let fields = numbers.get(type);
  if (fields === undefined) {
    const parsed = new Map<number, FieldNumber>();
    for (const text of (MESSAGES[type] ?? "").split(" ")) {
      const [, number = "", inline, name = "", pointer] =
        /^(\d+)(?:\^(.+)|(.+?)(\*)?)$/.exec(text) ?? [];
      parsed.set(Number(number), { name, pointer: pointer !== undefined, inline });
    }
    fields = parsed;
    numbers.set(type, fields);
  }
  return fields;
}

/** Adds a message's fields to `target`, which `schema` describes. */
function decodeInto(target: Values, message: Uint8Array, type: string, schema: ObjectSchema): void {
  const fields = numbersOf(type);
  for (const { number, value } of wireFields(message)) {
    const field = fields.get(number);
    if (field === undefined) continue;
    if (field.inline !== undefined) {
      decodeInto(target, bytesOf(value), field.inline, schema);
      continue;
    }
    const property = schema.properties[field.name];
    if (property === undefined) continue;
    addField(target, field, property.schema, value);
  }
}

function addField(target: Values, field: FieldNumber, schema: Schema, value: WireValue): void {
  const { name, pointer } = field;
  if (schema.type === "array") {
    const list = (target[name] as unknown[] | undefined) ?? [];
    target[name] = list;
    if (schema.items.type === "integer" && value instanceof Uint8Array) {
      list.push(...packedVarints(value).map(integerOf));
    } else list.push(decodeValue(value, schema.items));
  } else if (schema.type === "map") {
    const map = (target[name] as Values | undefined) ?? {};
    target[name] = map;
    addEntry(map, schema.values, bytesOf(value));
  } else {
    const decoded = decodeValue(value, schema);
    if (decoded !== undefined && (pointer || !isZero(decoded))) target[name] = decoded;
  }
}

function addEntry(map: Values, schema: Schema, entry: Uint8Array): void {
  let key = "";
  let value: unknown = emptyOf(schema);
  for (const field of wireFields(entry)) {
    if (field.number === 1) key = textOf(field.value);
    // A list as a map's value is a message with the list in it
    else if (schema.type === "array") value = listOf(bytesOf(field.value), schema.items);
    else value = decodeValue(field.value, schema);
  }
  Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
}

function listOf(message: Uint8Array, items: Schema): unknown[] {
  return [...wireFields(message)].map(({ value }) => decodeValue(value, items));
}

type WireValue = bigint | number | Uint8Array;

function decodeValue(value: WireValue, schema: Schema): unknown {
  switch (schema.type) {
    case "string":
      if (schema.format === "date-time") return timeOf(bytesOf(value), schema.name ?? "");
      if (schema.format === "byte") return Buffer.from(bytesOf(value)).toString("base64");
      return textOf(value);
    case "boolean":
      return integerOf(value) !== 0;
    case "integer":
      return integerOf(value);
    case "number":
      if (typeof value !== "number") throw malformed();
      return value;
    case "quantity":
      return textOf(fieldOf(bytesOf(value), 1) ?? new Uint8Array(0));
    case "intOrString": {
      const message = bytesOf(value);
      const isText = integerOf(fieldOf(message, 1) ?? 0n) === 1;
      if (isText) return textOf(fieldOf(message, 3) ?? new Uint8Array(0));
      return integerOf(fieldOf(message, 2) ?? 0n);
    }
    case "object":
      return objectOf(bytesOf(value), schema);
    case "any":
      return jsonOf(bytesOf(value));
    default:
      throw malformed();
  }
}

function objectOf(message: Uint8Array, schema: ObjectSchema): unknown {
  const name = schema.name ?? "";
  // Fields of managed fields, and raw objects, carry JSON
  if (MESSAGES[name] === undefined || Object.keys(schema.properties).length === 0) {
    return Object.keys(schema.properties).length === 0 && message.length > 0 ? jsonOf(message) : {};
  }
  const content: Values = {};
  decodeInto(content, message, name, schema);
  return content;
}

function jsonOf(message: Uint8Array): unknown {
  const raw = fieldOf(message, 1);
  if (raw === undefined || bytesOf(raw).length === 0) return undefined;
  try {
    return JSON.parse(textOf(raw));
  } catch {
    throw malformed();
  }
}

/** Seconds and nanoseconds; micro times keep six digits. Undefined: the zero time. */
function timeOf(message: Uint8Array, type: string): string | undefined {
  const seconds = fieldOf(message, 1);
  if (seconds === undefined) return undefined;
  const time = new Date(integerOf(seconds) * 1000);
  if (Number.isNaN(time.getTime())) throw malformed();
  const text = time.toISOString().slice(0, 19);
  if (!type.endsWith("MicroTime")) return `${text}Z`;
  const micros = Math.floor(integerOf(fieldOf(message, 2) ?? 0n) / 1000);
  return `${text}.${String(micros).padStart(6, "0")}Z`;
}

function fieldOf(message: Uint8Array, wanted: number): WireValue | undefined {
  let found: WireValue | undefined;
  for (const { number, value } of wireFields(message)) if (number === wanted) found = value;
  return found;
}

function isZero(value: unknown): boolean {
  if (value === "" || value === 0 || value === false) return true;
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function emptyOf(schema: Schema): unknown {
  if (schema.type === "array") return [];
  return schema.type === "object" || schema.type === "map" ? {} : "";
}

function integerOf(value: WireValue): number {
  if (typeof value !== "bigint") throw malformed();
  return Number(BigInt.asIntN(64, value));
}

function bytesOf(value: WireValue): Uint8Array {
  if (!(value instanceof Uint8Array)) throw malformed();
  return value;
}

function textOf(value: WireValue): string {
  const bytes = bytesOf(value);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
