import { KIND_DEFINITIONS } from "../../../shared/api/generated/schemas.ts";
import type { Field, ObjectSchema, Schema } from "../../../shared/api/schema.ts";
import { schemaOf } from "../../../shared/api/schemas.ts";
import type { Documentation } from "./documentation.ts";

/** A schema as OpenAPI documents have it, in either version. */
export type OpenApiSchema = { readonly [keyword: string]: unknown };

export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** How the two versions of OpenAPI write what they write differently. */
export interface Dialect {
  /** `#/definitions/`, `#/components/schemas/` */
  readonly prefix: string;
  /** A reference with keywords beside it. */
  annotate(reference: string, beside: OpenApiSchema): OpenApiSchema;
  readonly quantity: OpenApiSchema;
  readonly intOrString: OpenApiSchema;
}

export const V2: Dialect = {
  prefix: "#/definitions/",
  annotate: ($ref, beside) => ({ ...beside, $ref }),
  quantity: { type: "string" },
  intOrString: { type: "string", format: "int-or-string" },
};

export const V3: Dialect = {
  prefix: "#/components/schemas/",
  annotate: ($ref, beside) => ({ ...beside, allOf: [{ $ref }] }),
  quantity: { oneOf: [{ type: "string" }, { type: "number" }] },
  intOrString: { format: "int-or-string", oneOf: [{ type: "integer" }, { type: "string" }] },
};

const GVK = "x-kubernetes-group-version-kind";
const META = "io.k8s.apimachinery.pkg.apis.meta.v1.";
/** Kinds that every group has. */
const OF_EVERY_GROUP = new Set([`${META}DeleteOptions`, `${META}WatchEvent`]);

/** The definitions that the given ones refer to, themselves included, by name. */
export function reachableFrom(names: Iterable<string>): string[] {
  const found = new Set<string>();
  const visit = (schema: Schema): void => {
    const named = schema.name !== undefined && schema.type !== "map" && schema.type !== "array";
    if (named) {
      if (found.has(schema.name as string)) return;
      found.add(schema.name as string);
    }
    if (schema.type === "array") visit(schema.items);
    else if (schema.type === "map") visit(schema.values);
    else if (schema.type === "object") {
      for (const field of Object.values(schema.properties)) visit(field.schema);
    }
  };
  for (const name of names) visit(schemaOf(name));
  return [...found].sort();
}

/** Definitions with all their markers, by name. */
export function definitions(
  names: readonly string[],
  dialect: Dialect,
  served: readonly { group: string; version: string }[],
  documentation: Documentation,
): Record<string, OpenApiSchema> {
  const kinds = kindsByDefinition();
  const result: Record<string, OpenApiSchema> = {};
  for (const name of names) {
    const own = kinds.get(name) ?? [];
    const all = OF_EVERY_GROUP.has(name) ? inEveryVersion(own[0]?.kind ?? "", served) : own;
    const definition = definitionOf(name, schemaOf(name), dialect, documentation);
    result[name] = all.length > 0 ? { ...definition, [GVK]: all } : definition;
  }
  return result;
}

function inEveryVersion(
  kind: string,
  served: readonly { group: string; version: string }[],
): GroupVersionKind[] {
  const versions = new Map(
    served.map(({ group, version }) => [`${group}/${version}`, { group, kind, version }]),
  );
  return [...versions.keys()].sort().map((key) => versions.get(key) as GroupVersionKind);
}

function kindsByDefinition(): Map<string, GroupVersionKind[]> {
  const kinds = new Map<string, GroupVersionKind[]>();
  for (const [key, name] of Object.entries(KIND_DEFINITIONS)) {
    const [group = "", version = "", kind = ""] = key.split("/");
    kinds.set(name, [...(kinds.get(name) ?? []), { group, kind, version }]);
  }
  return kinds;
}

function definitionOf(
  name: string,
  schema: Schema,
  dialect: Dialect,
  documentation: Documentation,
): OpenApiSchema {
  const texts = documentation[name];
  const description = texts?.description ? { description: texts.description } : {};
  if (schema.type !== "object") return { ...description, ...named(schema, name, dialect) };
  return { ...description, ...objectOf(schema, dialect, fieldTexts(schema, name, documentation)) };
}

/** What each field is for; where nothing is said of a field, what its type is. */
function fieldTexts(
  schema: ObjectSchema,
  name: string,
  documentation: Documentation,
): Readonly<Record<string, string>> {
  const own = documentation[name]?.fields ?? {};
  const texts: Record<string, string> = {};
  for (const [field, { schema: type }] of Object.entries(schema.properties)) {
    const text = own[field] ?? documentation[type.name ?? ""]?.description;
    if (text) texts[field] = text;
  }
  return texts;
}

function objectOf(
  schema: ObjectSchema,
  dialect: Dialect,
  texts: Readonly<Record<string, string>>,
): OpenApiSchema {
  const fields = Object.entries(schema.properties).filter(([name]) => name !== "");
  const properties: Record<string, OpenApiSchema> = {};
  for (const [name, field] of fields) properties[name] = property(field, texts[name], dialect);
  return {
    type: "object",
    ...(fields.length > 0 ? { properties } : {}),
    ...(schema.required.length > 0 ? { required: schema.required } : {}),
    ...(schema.mapType ? { "x-kubernetes-map-type": schema.mapType } : {}),
  };
}

/** A definition that is no object. */
function named(schema: Schema, name: string, dialect: Dialect): OpenApiSchema {
  if (schema.type === "quantity") return dialect.quantity;
  if (schema.type === "intOrString") return dialect.intOrString;
  // Any JSON at all, in contrast to any object.
  if (schema.type === "any") return /\.JSON[A-Za-z]*$/.test(name) ? {} : { type: "object" };
  return typeOf(schema, dialect, true);
}

function property(field: Field, description: string | undefined, dialect: Dialect): OpenApiSchema {
  const beside = { ...(description ? { description } : {}), ...markersOf(field) };
  const type = typeOf(field.schema, dialect);
  const reference = type["$ref"];
  if (typeof reference !== "string") return { ...beside, ...type };
  return Object.keys(beside).length === 0 ? type : dialect.annotate(reference, beside);
}

function markersOf(field: Field): OpenApiSchema {
  const { listType, listMapKeys, mapType, patchStrategy, patchMergeKey } = field;
  return {
    ...(field.default === undefined ? {} : { default: field.default }),
    ...(listMapKeys ? { "x-kubernetes-list-map-keys": listMapKeys } : {}),
    ...(listType ? { "x-kubernetes-list-type": listType } : {}),
    ...(mapType ? { "x-kubernetes-map-type": mapType } : {}),
    ...(patchMergeKey ? { "x-kubernetes-patch-merge-key": patchMergeKey } : {}),
    ...(patchStrategy ? { "x-kubernetes-patch-strategy": patchStrategy.join(",") } : {}),
  };
}

/** The type of a field; a definition is only referred to, unless it is the one to write out. */
function typeOf(schema: Schema, dialect: Dialect, inline = false): OpenApiSchema {
  if (!inline && schema.name !== undefined && schema.type !== "map" && schema.type !== "array") {
    return { $ref: `${dialect.prefix}${schema.name}` };
  }
  switch (schema.type) {
    case "array":
      return { type: "array", items: typeOf(schema.items, dialect) };
    case "map":
      return { type: "object", additionalProperties: typeOf(schema.values, dialect) };
    case "object":
      return objectOf(schema, dialect, {});
    case "any":
      return { type: "object" };
    case "quantity":
      return dialect.quantity;
    case "intOrString":
      return dialect.intOrString;
    default:
      return {
        type: schema.type,
        ...(schema.format ? { format: schema.format } : {}),
        ...(schema.enum ? { enum: schema.enum } : {}),
      };
  }
}
