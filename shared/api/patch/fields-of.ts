import type { ArraySchema, Field, PatchStrategy, Schema } from "../schema.ts";

/** The schema of an object's field or a map's value; undefined where the schema knows none. */
export function fieldOf(schema: Schema | undefined, name: string): Field | undefined {
  if (schema?.type === "object") {
    return Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined;
  }
  return schema?.type === "map" ? valueField(schema) : undefined;
}

const VALUES = new WeakMap<object, Field>();

function valueField(schema: Extract<Schema, { type: "map" }>): Field {
  const known = VALUES.get(schema);
  if (known) return known;
  const field = { schema: schema.values };
  VALUES.set(schema, field);
  return field;
}

/** How strategic merge treats a field: `replace` where the schema says nothing else of a list. */
export function patchStrategyOf(field: Field | undefined): readonly PatchStrategy[] {
  if (field?.patchStrategy) return field.patchStrategy;
  return field?.schema.type === "object" ? (field.schema.patchStrategy ?? []) : [];
}

/** How apply treats a list: Kubernetes' default is atomic. */
export function listTypeOf(field: Field): "atomic" | "set" | "map" {
  return field.listType ?? (field.schema as ArraySchema).listType ?? "atomic";
}

export function listKeysOf(field: Field): readonly string[] {
  return field.listMapKeys ?? (field.schema as ArraySchema).listMapKeys ?? [];
}

/** Whether apply replaces the object or map as one. */
export function isAtomicMap(field: Field): boolean {
  const { schema } = field;
  if (schema.type !== "object" && schema.type !== "map") return false;
  return (field.mapType ?? schema.mapType) === "atomic";
}
