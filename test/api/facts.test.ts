import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { type Facts, type Property, typesFile } from "../../shared/api/generate.ts";
import { schemasFile } from "../../shared/api/generate-schemas.ts";
import { KINDS } from "../../shared/api/kinds.ts";
import type { Field, KindTable, ObjectSchema, Schema } from "../../shared/api/schema.ts";
import { kindSchema, schemaOf } from "../../shared/api/schemas.ts";

/** The published API as facts; the folder may be named relative to the repository. */
const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const FOLDER = process.env["KUBERNETES_API_FACTS"] ?? "../shared/kubernetes-api";
const FILE = resolve(REPOSITORY, FOLDER, "v1.35.facts.json");
const present = existsSync(FILE);
if (!present) {
  process.stderr.write(`SKIPPED: the API facts are not at ${FILE}: tables are not compared\n`);
}

function facts(): Facts {
  return JSON.parse(readFileSync(FILE, "utf8")) as Facts;
}

function generated(name: string): string {
  return readFileSync(resolve(REPOSITORY, "shared/api/generated", name), "utf8");
}

function refName(property: Property): string | undefined {
  return property.$ref?.replace("#/definitions/", "");
}

/** A schema has to say what the published property says. */
function compare(property: Property, schema: Schema, at: string): void {
  const ref = refName(property);
  if (ref) expect(schema.name, at).toBe(ref);
  else if (property.type === "array") {
    if (schema.type !== "array") throw new Error(`${at}: ${schema.type}`);
    compare(property.items ?? {}, schema.items, `${at}[]`);
  } else if (property.type === "object") {
    if (!property.additionalProperties) expect(schema.type, at).toBe("any");
    else if (schema.type !== "map") throw new Error(`${at}: ${schema.type}`);
    else compare(property.additionalProperties, schema.values, `${at}{}`);
  } else {
    expect(schema.type, at).toBe(property.type ?? "any");
    if (schema.type === "any" || schema.type === "array") return;
    if (property.format) expect((schema as { format?: string }).format, at).toBe(property.format);
  }
}

function compareMarkers(property: Property, field: Field, at: string): void {
  const marked = {
    listType: field.listType,
    listMapKeys: field.listMapKeys,
    mapType: field.mapType,
    patchStrategy: field.patchStrategy?.join(","),
    patchMergeKey: field.patchMergeKey,
  };
  expect(marked, at).toEqual({
    listType: property["x-kubernetes-list-type"],
    listMapKeys: property["x-kubernetes-list-map-keys"],
    mapType: property["x-kubernetes-map-type"],
    patchStrategy: property["x-kubernetes-patch-strategy"],
    patchMergeKey: property["x-kubernetes-patch-merge-key"],
  });
}

describe.skipIf(!present)("the published API", () => {
  test("is what the generated files were written from", () => {
    expect(generated("schemas.ts")).toBe(schemasFile(facts()));
    expect(generated("types.ts")).toBe(typesFile(facts()));
  });

  test("and the schemas agree on every field, requirement and marker", () => {
    for (const [name, definition] of Object.entries(facts().definitions)) {
      const schema = schemaOf(name);
      if (!definition.properties) {
        expect(schema.type, name).not.toBe("object");
        continue;
      }
      const { properties, required, mapType } = schema as ObjectSchema;
      expect(Object.keys(properties), name).toEqual(Object.keys(definition.properties));
      expect([...required].sort(), name).toEqual([...(definition.required ?? [])].sort());
      expect(mapType, name).toBe(definition["x-kubernetes-map-type"]);
      for (const [field, property] of Object.entries(definition.properties)) {
        compare(property, (properties[field] as Field).schema, `${name}.${field}`);
        compareMarkers(property, properties[field] as Field, `${name}.${field}`);
      }
    }
  });

  test("has the paths of every kind that is served", () => {
    const { paths } = facts();
    for (const table of KINDS) {
      const base = table.group ? `/apis/${table.group}/${table.version}` : `/api/${table.version}`;
      const scope = table.namespaced ? "/namespaces/{namespace}" : "";
      const collection = `${base}${scope}/${table.plural}`;
      expect(verbsOf(paths, collection), collection).toEqual([...table.verbs].sort());
      compareSubresources(paths, `${collection}/{name}`, table);
    }
  });

  test("has list kinds", () => {
    for (const table of KINDS) {
      if (table.log === "none") continue;
      const list = kindSchema(table.group, table.version, table.listKind);
      expect(list.properties["items"]?.schema.type).toBe("array");
    }
  });
});

const VERBS: Readonly<Record<string, string>> = {
  list: "list",
  post: "create",
  deletecollection: "deletecollection",
  get: "get",
  put: "update",
  patch: "patch",
  delete: "delete",
};

function actionsOf(paths: Facts["paths"], path: string): string[] {
  return Object.values(paths[path] ?? {}).map(({ action }) => VERBS[action ?? ""] ?? "");
}

function verbsOf(paths: Facts["paths"], collection: string): string[] {
  const verbs = [...actionsOf(paths, collection), ...actionsOf(paths, `${collection}/{name}`)];
  if (verbs.includes("list")) verbs.push("watch");
  return verbs.sort();
}

function compareSubresources(paths: Facts["paths"], item: string, table: KindTable): void {
  for (const { name, group, version, kind, verbs } of table.subresources) {
    const path = `${item}/${name}`;
    const methods = Object.values(paths[path] ?? {});
    expect(methods.length, path).toBeGreaterThan(0);
    if (name === "log" || methods.some(({ action }) => action === "connect")) continue;
    expect(actionsOf(paths, path).sort(), path).toEqual([...verbs].sort());
    expect(methods[0]?.gvk, path).toEqual({ group, version, kind });
  }
}
