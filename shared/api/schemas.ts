import { DEFINITIONS, KIND_DEFINITIONS } from "./generated/schemas.ts";
import type { ArraySchema, Field, ObjectSchema, PatchStrategy, Schema } from "./schema.ts";

const PREFIX = "io.k8s.";
const META = `${PREFIX}apimachinery.pkg.apis.meta.v1.`;

const SCALARS: Readonly<Record<string, Schema>> = {
  any: { type: "any" },
  string: { type: "string" },
  boolean: { type: "boolean" },
  integer: { type: "integer" },
  int32: { type: "integer", format: "int32" },
  int64: { type: "integer", format: "int64" },
  number: { type: "number", format: "double" },
  byte: { type: "string", format: "byte" },
};

/** Scalars that are definitions of their own keep the definition's name. */
const NAMED_SCALARS: Readonly<
  Record<string, { type: "string" | "quantity" | "intOrString" | "any" }>
> = {
  quantity: { type: "quantity" },
  intOrString: { type: "intOrString" },
  datetime: { type: "string" },
  microtime: { type: "string" },
  any: { type: "any" },
};

/**
 * Definitions that every server has although the published API does not describe them: what
 * `kubectl get` asks for. In the notation of generate-schemas.ts.
 */
const SERVER_DEFINITIONS: Readonly<Record<string, string>> = {
  [`${META}Table`]:
    "apiVersion:string columnDefinitions!:[]@apimachinery.pkg.apis.meta.v1.TableColumnDefinition " +
    "kind:string metadata:@apimachinery.pkg.apis.meta.v1.ListMeta " +
    "rows!:[]@apimachinery.pkg.apis.meta.v1.TableRow",
  [`${META}TableColumnDefinition`]:
    "description!:string format!:string name!:string priority!:int32 type!:string",
  [`${META}TableRow`]:
    "cells!:[]any conditions:[]@apimachinery.pkg.apis.meta.v1.TableRowCondition object:any",
  [`${META}TableRowCondition`]: "message:string reason:string status!:string type!:string",
  [`${META}PartialObjectMetadata`]:
    "apiVersion:string kind:string metadata:@apimachinery.pkg.apis.meta.v1.ObjectMeta",
  [`${META}PartialObjectMetadataList`]:
    "apiVersion:string items!:[]@apimachinery.pkg.apis.meta.v1.PartialObjectMetadata kind:string " +
    "metadata:@apimachinery.pkg.apis.meta.v1.ListMeta",
};

const SERVER_KINDS: Readonly<Record<string, string>> = {
  "meta.k8s.io/v1/Table": `${META}Table`,
  "meta.k8s.io/v1/PartialObjectMetadata": `${META}PartialObjectMetadata`,
  "meta.k8s.io/v1/PartialObjectMetadataList": `${META}PartialObjectMetadataList`,
};

const resolved = new Map<string, Schema>();

/** Names of all definitions of the published API, e.g. `io.k8s.api.core.v1.PodSpec`. */
export function definitionNames(): readonly string[] {
  return Object.keys(DEFINITIONS);
}

/**
 * The schema of a definition, read on first use and shared from then on: equal names give the same
 * object. Schemas may contain themselves.
 * @throws TypeError for an unknown name
 */
export function schemaOf(name: string): Schema {
  const known = resolved.get(name);
  if (known) return known;
  const text = DEFINITIONS[name] ?? SERVER_DEFINITIONS[name];
  if (text === undefined) throw new TypeError(`no definition ${name}`);
  const schema = text.startsWith("=")
    ? namedScalar(name, text.slice(1))
    : new Definition(name, text);
  resolved.set(name, schema);
  return schema;
}

/** The definition's name of a built-in kind; undefined when there is none. */
export function definitionOfKind(group: string, version: string, kind: string): string | undefined {
  const key = `${group}/${version}/${kind}`;
  return KIND_DEFINITIONS[key] ?? SERVER_KINDS[key];
}

/**
 * The schema of a built-in kind, also of kinds that are no resources: Scale, Binding, Eviction,
 * DeleteOptions, Status, Table, ...
 * @throws TypeError for an unknown kind
 */
export function kindSchema(group: string, version: string, kind: string): ObjectSchema {
  const name = definitionOfKind(group, version, kind);
  const schema = name === undefined ? undefined : schemaOf(name);
  if (schema?.type !== "object") throw new TypeError(`no kind ${group}/${version}, ${kind}`);
  return schema;
}

function namedScalar(name: string, scalar: string): Schema {
  const base = NAMED_SCALARS[scalar];
  if (!base) throw new TypeError(`${name}: unknown scalar ${scalar}`);
  return scalar.endsWith("time")
    ? { type: "string", name, format: "date-time" }
    : { ...base, name };
}

/** An object schema whose fields are read from the notation when they are first asked for. */
class Definition implements ObjectSchema {
  readonly type = "object";
  readonly name: string;
  readonly required: readonly string[];
  declare readonly mapType?: "atomic";
  private readonly text: string;

  constructor(name: string, text: string) {
    this.name = name;
    const atomic = text.startsWith("atomic ");
    this.text = atomic ? text.slice("atomic ".length) : text;
    if (atomic) this.mapType = "atomic";
    const required: string[] = [];
    for (const [, field] of this.text.matchAll(/(\S+?)!:/g)) required.push(field as string);
    this.required = required;
  }

  get properties(): Readonly<Record<string, Field>> {
    const properties: Record<string, Field> = {};
    for (const field of this.text.split(" ")) {
      const colon = field.indexOf(":");
      const name = field.slice(0, colon).replace("!", "");
      properties[name] = readField(field.slice(colon + 1));
    }
    Object.defineProperty(this, "properties", { value: properties, enumerable: true });
    return properties;
  }
}

function readField(text: string): Field {
  const [type, ...markers] = text.split(";") as [string, ...string[]];
  const field: { -readonly [Key in keyof Field]: Field[Key] } = { schema: readType(type) };
  for (const marker of markers) {
    const equals = marker.indexOf("=");
    const value = marker.slice(equals + 1);
    switch (marker.slice(0, equals)) {
      case "list": {
        const [kind, keys] = value.split(/[()]/) as ["atomic" | "set" | "map", string?];
        field.listType = kind;
        if (keys) field.listMapKeys = keys.split(",");
        break;
      }
      case "map":
        field.mapType = value as "atomic";
        break;
      case "patch":
        field.patchStrategy = value.split(",") as PatchStrategy[];
        break;
      case "key":
        field.patchMergeKey = value;
        break;
      default:
        throw new TypeError(`unknown marker ${marker}`);
    }
  }
  return { ...field, schema: marked(field) };
}

/** Lists and maps know their own kind too, as custom resources have it. */
function marked({ schema, listType, listMapKeys, mapType }: Field): Schema {
  if (schema.type === "array" && listType) {
    const list: ArraySchema = { ...schema, listType };
    return listMapKeys ? { ...list, listMapKeys } : list;
  }
  return schema.type === "map" && mapType ? { ...schema, mapType } : schema;
}

function readType(text: string): Schema {
  if (text.startsWith("[]")) return { type: "array", items: readType(text.slice(2)) };
  if (text.startsWith("{}")) return { type: "map", values: readType(text.slice(2)) };
  if (text.startsWith("@")) return schemaOf(PREFIX + text.slice(1));
  const scalar = SCALARS[text];
  if (!scalar) throw new TypeError(`unknown type ${text}`);
  return scalar;
}
