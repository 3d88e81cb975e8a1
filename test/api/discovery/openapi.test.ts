import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  extractDocumentation,
  textsOf,
} from "../../../services/apiserver/openapi/documentation.ts";
import { OpenApi } from "../../../services/apiserver/openapi/index.ts";
import { definitions, V2 } from "../../../services/apiserver/openapi/schemas.ts";
import { apiVersionOf, KINDS } from "../../../shared/api/kinds.ts";
import { definitionNames, schemaOf } from "../../../shared/api/schemas.ts";

const POD_SPEC = "io.k8s.api.core.v1.PodSpec";
const api = new OpenApi(KINDS, () => ({
  [POD_SPEC]: { description: "A pod.", fields: { containers: "What runs.", affinity: "Where." } },
}));

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { name: string }[];
  readonly "x-kubernetes-action": string;
  readonly "x-kubernetes-group-version-kind": { group: string; version: string; kind: string };
}

type Paths = Record<string, Record<string, Operation>>;
type Schemas = Record<string, { properties: Record<string, Record<string, unknown>> } & object>;

function readV2(): { paths: Paths; definitions: Schemas } {
  return JSON.parse(api.v2().bytes.toString());
}

function readV3(path: string): { paths: Paths; components: { schemas: Schemas } } {
  return JSON.parse(api.v3(path)?.bytes.toString() ?? "null");
}

/** All references in a document. */
function references(value: unknown, found = new Set<string>()): Set<string> {
  if (typeof value !== "object" || value === null) return found;
  for (const [name, part] of Object.entries(value)) {
    if (name === "$ref" && typeof part === "string") found.add(part);
    else references(part, found);
  }
  return found;
}

describe("OpenAPI", () => {
  test("every reference leads to a definition", () => {
    const v2 = readV2();
    for (const reference of references(v2)) {
      expect(v2.definitions).toHaveProperty([reference.replace("#/definitions/", "")]);
    }
    for (const table of KINDS) {
      const path = `${table.group ? "apis" : "api"}/${apiVersionOf(table)}`;
      const v3 = readV3(path);
      for (const reference of references(v3)) {
        const name = reference.replace("#/components/schemas/", "");
        expect(v3.components.schemas).toHaveProperty([name]);
      }
    }
  });

  test("every kind that can be patched says how to validate and to try", () => {
    const { paths } = readV2();
    for (const table of KINDS.filter(({ verbs }) => verbs.includes("patch"))) {
      const { group, version, kind } = table;
      const operations = Object.values(paths).flatMap((item) => Object.values(item));
      const patch = operations.find(
        (operation) =>
          operation["x-kubernetes-action"] === "patch" &&
          JSON.stringify(operation["x-kubernetes-group-version-kind"]) ===
            JSON.stringify({ group, kind, version }),
      );
      const names = patch?.parameters.map(({ name }) => name);
      expect(names, kind).toEqual(
        expect.arrayContaining(["dryRun", "fieldManager", "fieldValidation", "force"]),
      );
    }
  });

  test("operations are named as Kubernetes names them, each once", () => {
    const { paths } = readV2();
    const ids = Object.values(paths)
      .flatMap((item) => Object.values(item))
      .map(({ operationId }) => operationId)
      .filter(Boolean);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual(
      expect.arrayContaining([
        "listCoreV1NamespacedPod",
        "listCoreV1PodForAllNamespaces",
        "deleteCoreV1CollectionNamespacedPod",
        "readCoreV1Node",
        "patchAppsV1NamespacedDeploymentScale",
        "connectCoreV1PostNamespacedPodExec",
        "createRbacAuthorizationV1ClusterRoleBinding",
        "createCoreV1NamespacedServiceAccountToken",
        "replaceCoreV1NamespaceFinalize",
      ]),
    );
  });

  test("a field with its markers and its description, in both versions", () => {
    const markers = {
      description: "What runs.",
      type: "array",
      "x-kubernetes-list-map-keys": ["name"],
      "x-kubernetes-list-type": "map",
      "x-kubernetes-patch-merge-key": "name",
      "x-kubernetes-patch-strategy": "merge",
    };
    const container = "io.k8s.api.core.v1.Container";
    const affinity = "io.k8s.api.core.v1.Affinity";
    const v2 = readV2().definitions[POD_SPEC];
    expect(v2).toMatchObject({ type: "object", description: "A pod.", required: ["containers"] });
    expect(v2?.properties["containers"]).toEqual({
      ...markers,
      items: { $ref: `#/definitions/${container}` },
    });
    expect(v2?.properties["affinity"]).toEqual({
      description: "Where.",
      $ref: `#/definitions/${affinity}`,
    });
    const v3 = readV3("api/v1").components.schemas[POD_SPEC];
    expect(v3?.properties["containers"]).toEqual({
      ...markers,
      items: { $ref: `#/components/schemas/${container}` },
    });
    expect(v3?.properties["affinity"]).toEqual({
      description: "Where.",
      allOf: [{ $ref: `#/components/schemas/${affinity}` }],
    });
  });

  test("scalars that are definitions of their own", () => {
    const v3 = readV3("apis/apps/v1").components.schemas;
    expect(v3["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]).toEqual({
      format: "int-or-string",
      oneOf: [{ type: "integer" }, { type: "string" }],
    });
    const v2 = readV2().definitions;
    expect(v2["io.k8s.apimachinery.pkg.api.resource.Quantity"]).toEqual({ type: "string" });
    expect(v2["io.k8s.apimachinery.pkg.apis.meta.v1.Time"]).toEqual({
      type: "string",
      format: "date-time",
    });
  });

  test("kinds carry their group, version and kind; those of all groups all of them", () => {
    const schemas = readV2().definitions as Record<string, Record<string, unknown>>;
    const marker = "x-kubernetes-group-version-kind";
    expect(schemas["io.k8s.api.apps.v1.Deployment"]?.[marker]).toEqual([
      { group: "apps", kind: "Deployment", version: "v1" },
    ]);
    const options = schemas["io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"]?.[marker];
    const groups = [...new Set(KINDS.map(({ group }) => group))].sort();
    expect(options).toEqual(
      groups.map((group) => ({ group, kind: "DeleteOptions", version: "v1" })),
    );
  });

  test("every definition of the API can be written, with its fields and required marks", () => {
    const written = definitions(definitionNames(), V2, [], {});
    for (const name of definitionNames()) {
      const schema = schemaOf(name);
      if (schema.type !== "object") continue;
      const { properties = {}, required = [] } = written[name] as {
        properties?: object;
        required?: readonly string[];
      };
      expect(Object.keys(properties), name).toEqual(Object.keys(schema.properties).filter(Boolean));
      expect(required, name).toEqual(schema.required);
    }
  });

  test("the index leads to the documents by the hash of their bytes", () => {
    const { paths } = JSON.parse(api.v3Index().bytes.toString());
    expect(Object.keys(paths)).toContain("apis/apps/v1");
    for (const [path, { serverRelativeURL }] of Object.entries<{ serverRelativeURL: string }>(
      paths,
    )) {
      const url = new URL(serverRelativeURL, "https://localhost");
      const document = api.v3(url.pathname);
      expect(document).toBe(api.v3(path));
      const hash = createHash("sha512")
        .update(document?.bytes ?? "")
        .digest("hex");
      expect(url.searchParams.get("hash")).toBe(hash.toUpperCase());
    }
    expect(api.v3("apis/nothing/v1")).toBeUndefined();
  });

  test("a document is built once", () => {
    expect(api.v2()).toBe(api.v2());
    expect(api.v2Protobuf()).toBe(api.v2Protobuf());
    expect(api.v2().etag).not.toBe(api.v2Protobuf().etag);
  });
});

describe("documentation", () => {
  const DECLARATION = [
    "/**",
    "* Kubernetes",
    " */",
    "import { V1Other } from './V1Other.js';",
    "/**",
    "* What it \\'is\\'.",
    "*/",
    "export declare class V1PodSpec {",
    "    /**",
    "    * One. Two.",
    "    */",
    "    'one'?: string;",
    "    'other'?: V1Other;",
    "    /**",
    '    * A reserved \\"word\\".',
    "    */",
    "    '_continue': string;",
    "    static readonly mapping: { [index: string]: string };",
    "}",
  ].join("\n");

  test("the comments of a model", () => {
    expect(textsOf(DECLARATION)).toEqual({
      description: "What it 'is'.",
      fields: { one: "One. Two.", continue: 'A reserved "word".' },
    });
  });

  test("is found by the definition's name, and absent where the client is not installed", () => {
    const folder = mkdtempSync(join(tmpdir(), "modules-"));
    try {
      expect(extractDocumentation(folder)).toEqual({});
      const models = join(folder, "@kubernetes/client-node/dist/gen/models");
      mkdirSync(models, { recursive: true });
      writeFileSync(join(models, "V1PodSpec.d.ts"), DECLARATION);
      expect(Object.keys(extractDocumentation(folder))).toEqual([POD_SPEC]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
