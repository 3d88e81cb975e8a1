import { describe, expect, test } from "vitest";
import { groupResourceOf, KINDS, kindByResource, kindOf } from "../../shared/api/kinds.ts";
import type { Schema } from "../../shared/api/schema.ts";
import { definitionNames, kindSchema, schemaOf } from "../../shared/api/schemas.ts";

describe("kinds", () => {
  test("every kind has a schema with apiVersion, kind and metadata", () => {
    for (const table of KINDS) {
      const { properties } = table.schema;
      expect(Object.keys(properties)).toEqual(expect.arrayContaining(["apiVersion", "kind"]));
      expect(properties["metadata"]?.schema).toBe(
        schemaOf("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"),
      );
    }
  });

  test("are found by resource and by kind", () => {
    for (const table of KINDS) {
      expect(kindByResource(groupResourceOf(table))).toBe(table);
      expect(kindOf(table.group, table.version, table.kind)).toBe(table);
    }
    expect(kindByResource("nothings")).toBeUndefined();
  });

  test("subresources have schemas, but for those that are streams", () => {
    for (const { subresources } of KINDS) {
      for (const { group, version, kind } of subresources) {
        if (kind.endsWith("Options")) continue;
        expect(kindSchema(group, version, kind).type).toBe("object");
      }
    }
  });

  test("kinds that are no resources are there by name", () => {
    const meta = ["DeleteOptions", "Status"].map((kind) => ["", "v1", kind] as const);
    const tables = ["Table", "PartialObjectMetadata", "PartialObjectMetadataList"].map(
      (kind) => ["meta.k8s.io", "v1", kind] as const,
    );
    for (const [group, version, kind] of [...meta, ...tables]) {
      expect(kindSchema(group, version, kind).properties["kind"]).toBeDefined();
    }
  });
});

describe("schemas", () => {
  test("all definitions resolve, recursive ones too", () => {
    const seen = new Set<Schema>();
    const walk = (schema: Schema): void => {
      if (seen.has(schema)) return;
      seen.add(schema);
      if (schema.type === "object") {
        for (const field of Object.values(schema.properties)) walk(field.schema);
        for (const name of schema.required) expect(schema.properties[name]).toBeDefined();
      } else if (schema.type === "array") walk(schema.items);
      else if (schema.type === "map") walk(schema.values);
    };
    for (const name of definitionNames()) walk(schemaOf(name));
    expect(definitionNames().length).toBeGreaterThan(700);
  });

  test("carry the markers of merging", () => {
    const pod = kindSchema("", "v1", "Pod").properties["spec"]?.schema;
    if (pod?.type !== "object") throw new Error("no PodSpec");
    expect(pod.properties["containers"]).toMatchObject({
      listType: "map",
      listMapKeys: ["name"],
      patchStrategy: ["merge"],
      patchMergeKey: "name",
      schema: { type: "array", listType: "map", listMapKeys: ["name"] },
    });
    expect(pod.properties["nodeSelector"]).toMatchObject({ mapType: "atomic" });
    expect(pod.properties["volumes"]?.patchStrategy).toEqual(["merge", "retainKeys"]);
  });
});
