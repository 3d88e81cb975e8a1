import { describe, expect, test } from "vitest";
import { decodeObject } from "../../shared/api/decode.ts";
import { applyDefaults } from "../../shared/api/defaults.ts";
import { impliedPullPolicy, parseImageName } from "../../shared/api/image.ts";
import { kindOfObject } from "../../shared/api/kinds.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { KindTable, ObjectSchema } from "../../shared/api/schema.ts";
import { tableOf } from "./cases.ts";

interface Case {
  readonly name: string;
  readonly object: KubernetesObject;
  readonly becomes: Record<string, unknown>;
  readonly lacks?: readonly string[];
}

function valueAt(object: unknown, path: string): unknown {
  let at = object as Record<string, unknown> | undefined;
  for (const step of path.split(".")) at = at?.[step] as Record<string, unknown> | undefined;
  return at;
}

function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const member of Object.values(value)) frozen(member);
  return Object.freeze(value);
}

describe("defaults", () => {
  test.each(tableOf<readonly Case[]>("defaults.yaml"))("$name", (given) => {
    const table = kindOfObject(given.object) as KindTable;
    const { object } = decodeObject(given.object, table, "Strict");
    applyDefaults(table, object);
    expect(object).toMatchObject(given.becomes);
    for (const path of given.lacks ?? []) expect(valueAt(object, path), path).toBeUndefined();
    const once = structuredClone(object);
    applyDefaults(table, frozen(object));
    expect(object).toEqual(once);
  });

  test("that a schema states are filled in, also in lists and maps", () => {
    const item: ObjectSchema = {
      type: "object",
      properties: { size: { schema: { type: "integer" }, default: 1 } },
      required: [],
    };
    const schema: ObjectSchema = {
      type: "object",
      required: [],
      properties: {
        spec: { schema: item, default: {} },
        list: { schema: { type: "array", items: item } },
        map: { schema: { type: "map", values: item } },
      },
    };
    const object = {
      kind: "K",
      apiVersion: "v1",
      metadata: { name: "a" },
      list: [{}],
      map: { a: {} },
    };
    applyDefaults({ group: "example.com", kind: "K", schema }, object);
    expect(object).toMatchObject({
      spec: { size: 1 },
      list: [{ size: 1 }],
      map: { a: { size: 1 } },
    });
  });
});

describe("image names", () => {
  test.each([
    ["nginx", "Always"],
    ["nginx:latest", "Always"],
    ["nginx:1.25", "IfNotPresent"],
    ["host:5000/nginx", "Always"],
    ["host:5000/a/b:v1", "IfNotPresent"],
    [`nginx@sha256:${"a".repeat(64)}`, "IfNotPresent"],
    ["Not An Image", "IfNotPresent"],
  ])("%s is pulled %s", (image, policy) => {
    expect(impliedPullPolicy(image)).toBe(policy);
  });

  test("have parts", () => {
    expect(parseImageName("h:5000/a/b:v1")).toEqual({
      repository: "h:5000/a/b",
      tag: "v1",
      digest: "",
    });
  });
});
