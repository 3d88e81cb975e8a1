import {
  normalizeBase64,
  normalizeMicroTime,
  normalizeTime,
  ScalarError,
  storedQuantity,
} from "./scalars.ts";
import type { ObjectSchema, ScalarSchema, Schema } from "./schema.ts";

/**
 * The quick check of a parsed document: types, formats, unknown fields. Compiled once per schema
 * into closures. Answers the value in its stored form (nulls dropped, quantities, times and base64
 * normalized), or SUSPECT: then strict.ts finds out what is wrong, if anything. `known` is in that
 * form already: members that the value shares with it are not looked at.
 */
export type Checker = (value: unknown, known?: unknown) => unknown;

export const SUSPECT = Symbol("suspect");

/** Keys of all objects seen since it was set to 0: fewer than the text has means a repeated one. */
export const seen = { keys: 0 };

const compiled = new WeakMap<Schema, Checker>();

/** The checker of a schema; schemas may contain themselves. */
export function checkerOf(schema: Schema): Checker {
  const known = compiled.get(schema);
  if (known) return known;
  let real: Checker = (value, known) => {
    real = compile(schema);
    compiled.set(schema, real);
    return real(value, known);
  };
  const late: Checker = (value, known) => real(value, known);
  compiled.set(schema, late);
  return late;
}

function compile(schema: Schema): Checker {
  switch (schema.type) {
    case "object":
      return compileObject(schema);
    case "map":
      return compileMap(checkerOf(schema.values));
    case "array":
      return compileArray(checkerOf(schema.items));
    case "any":
      return checkAny;
    default:
      return compileScalar(schema);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const NOTHING: Readonly<Record<string, unknown>> = Object.freeze({});

function compileObject(schema: ObjectSchema): Checker {
  const fields = new Map<string, { check: Checker; leftOut: boolean }>();
  for (const [name, field] of Object.entries(schema.properties)) {
    const leftOut = isLeftOutEmpty(schema, name);
    fields.set(name, { check: checkerOf(field.schema), leftOut });
  }
  return (value, known) => {
    if (!isObject(value)) return SUSPECT;
    const before = isObject(known) ? known : NOTHING;
    let nulls = false;
    for (const key in value) {
      const field = fields.get(key);
      if (field === undefined) return SUSPECT;
      seen.keys++;
      const member = value[key];
      if (member === null) {
        nulls = true;
        continue;
      }
      if (member === before[key]) continue;
      const stored = field.check(member, before[key]);
      if (stored === SUSPECT) return SUSPECT;
      if (field.leftOut && isEmpty(stored)) {
        value[key] = null;
        nulls = true;
      } else if (stored !== member) value[key] = stored;
    }
    return nulls ? withoutNulls(value) : value;
  };
}

/** Optional lists that are written even when they are empty. */
const WRITTEN_EMPTY = new Set([
  "io.k8s.api.authentication.v1.TokenRequestSpec.audiences",
  "io.k8s.api.core.v1.ContainerImage.names",
  "io.k8s.api.core.v1.ProjectedVolumeSource.sources",
  "io.k8s.api.discovery.v1.EndpointSlice.endpoints",
  "io.k8s.api.discovery.v1.EndpointSlice.ports",
  "io.k8s.api.rbac.v1.ClusterRole.rules",
  "io.k8s.api.rbac.v1.Role.rules",
]);

/**
 * Whether a field of the published API is left out when its list or map is empty: nearly all that
 * are not required. Custom resources keep what they were given.
 */
export function isLeftOutEmpty(schema: ObjectSchema, field: string): boolean {
  const type = schema.properties[field]?.schema.type;
  if (type !== "array" && type !== "map") return false;
  if (schema.name === undefined || schema.required.includes(field)) return false;
  return !WRITTEN_EMPTY.has(`${schema.name}.${field}`);
}

/** Whether a list or map holds nothing. */
export function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  for (const _ in value as object) return false;
  return true;
}

function withoutNulls(value: Record<string, unknown>): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const key in value) if (value[key] !== null) kept[key] = value[key];
  return kept;
}

function compileMap(check: Checker): Checker {
  return (value, known) => {
    if (!isObject(value)) return SUSPECT;
    const before = isObject(known) ? known : NOTHING;
    for (const key in value) {
      seen.keys++;
      const member = value[key];
      if (member === before[key] && member !== null) continue;
      const stored = member === null ? SUSPECT : check(member, before[key]);
      if (stored === SUSPECT) return SUSPECT;
      if (stored !== member) value[key] = stored;
    }
    return value;
  };
}

function compileArray(check: Checker): Checker {
  return (value) => {
    if (!Array.isArray(value)) return SUSPECT;
    for (let index = 0; index < value.length; index++) {
      const member: unknown = value[index];
      const stored = member === null ? SUSPECT : check(member);
      if (stored === SUSPECT) return SUSPECT;
      if (stored !== member) value[index] = stored;
    }
    return value;
  };
}

/** Anything goes; its keys are counted all the same. */
const checkAny: Checker = (value) => {
  if (Array.isArray(value)) for (const member of value) checkAny(member);
  else if (isObject(value)) {
    for (const key in value) {
      seen.keys++;
      checkAny(value[key]);
    }
  }
  return value;
};

function compileScalar(schema: ScalarSchema): Checker {
  const check = scalarCheckerOf(schema);
  return (value) => {
    try {
      return check(value);
    } catch (error) {
      if (error instanceof ScalarError) return SUSPECT;
      throw error;
    }
  };
}

function scalarCheckerOf(schema: ScalarSchema): Checker {
  switch (schema.type) {
    case "boolean":
      return (value) => (typeof value === "boolean" ? value : SUSPECT);
    case "number":
      return (value) => (typeof value === "number" ? value : SUSPECT);
    case "integer":
      return (value) => (isInteger(value, schema.format) ? value : SUSPECT);
    case "intOrString":
      return (value) => (typeof value === "string" || isInteger(value, "int32") ? value : SUSPECT);
    case "quantity":
      return (value) =>
        typeof value === "string" || typeof value === "number" ? storedQuantity(value) : SUSPECT;
    default: {
      const normalize = stringNormalizer(schema);
      return (value) => {
        if (typeof value !== "string") return SUSPECT;
        return normalize ? normalize(value) : value;
      };
    }
  }
}

const INT32_MAX = 2 ** 31 - 1;
const INT64_MAX = 2 ** 63;

export function isInteger(value: unknown, format: string | undefined): boolean {
  if (!Number.isInteger(value)) return false;
  const number = value as number;
  if (format === "int32") return number <= INT32_MAX && number >= -INT32_MAX - 1;
  return number < INT64_MAX && number >= -INT64_MAX;
}

/** How a string of the format is brought into its stored form; throws ScalarError. */
export function stringNormalizer(schema: ScalarSchema): ((text: string) => string) | undefined {
  if (schema.format === "byte") return normalizeBase64;
  if (schema.format !== "date-time") return undefined;
  return schema.name?.endsWith(".MicroTime") ? normalizeMicroTime : normalizeTime;
}
