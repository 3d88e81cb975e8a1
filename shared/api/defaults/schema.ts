import type { Schema } from "../schema.ts";

const withDefaults = new WeakMap<Schema, boolean>();

/** Fills in the `default`s that a schema states (custom resources do), outer ones first. */
export function schemaDefaults(schema: Schema, value: unknown): void {
  if (typeof value !== "object" || value === null || !hasDefaults(schema, new Set())) return;
  if (schema.type === "array") {
    for (const item of value as unknown[]) schemaDefaults(schema.items, item);
  } else if (schema.type === "map") {
    for (const member of Object.values(value)) schemaDefaults(schema.values, member);
  } else if (schema.type === "object") {
    const object = value as Record<string, unknown>;
    for (const [name, field] of Object.entries(schema.properties)) {
      if (object[name] === undefined && field.default !== undefined) {
        object[name] = structuredClone(field.default);
      }
      schemaDefaults(field.schema, object[name]);
    }
  }
}

/** Built-in schemas state none: found out once per schema, so that they cost nothing. */
function hasDefaults(schema: Schema, above: Set<Schema>): boolean {
  const known = withDefaults.get(schema);
  if (known !== undefined) return known;
  if (above.has(schema)) return false;
  above.add(schema);
  const found = anyDefault(schema, above);
  above.delete(schema);
  if (found || above.size === 0) withDefaults.set(schema, found);
  return found;
}

function anyDefault(schema: Schema, above: Set<Schema>): boolean {
  if (schema.type === "array") return hasDefaults(schema.items, above);
  if (schema.type === "map") return hasDefaults(schema.values, above);
  if (schema.type !== "object") return false;
  return Object.values(schema.properties).some(
    (field) => field.default !== undefined || hasDefaults(field.schema, above),
  );
}
