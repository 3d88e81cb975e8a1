import { existsSync, readFileSync } from "node:fs";
import { apiVersionOf, KINDS } from "../../../shared/api/kinds.ts";
import type { KindTable } from "../../../shared/api/schema.ts";
import { type Document, documentOf, hashOf } from "../document.ts";
import type { Documentation } from "./documentation.ts";
import { type ApiPath, pathsOf } from "./operations.ts";
import { encodeV2 } from "./protobuf.ts";
import { definitions, reachableFrom, V2, V3 } from "./schemas.ts";
import { documentV2, type OpenApiV2 } from "./v2.ts";
import { documentV3 } from "./v3.ts";

export type { Document } from "../document.ts";

/** The Kubernetes version that the API is of. */
export const KUBERNETES_VERSION = "v1.35.0";
/**
 * The media type of the protobuf form of OpenAPI v2. Clients ask for it as
 * `...spec.v2@v1.0+protobuf`, but `@` may not stand in a Content-Type.
 */
export const OPENAPI_V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/** The OpenAPI documents of a set of kinds. Each is built on first use and kept as bytes. */
export class OpenApi {
  private readonly tables: readonly KindTable[];
  private readonly documentation: () => Documentation;
  private readonly kept = new Map<string, Document>();

  /** `documentation` is asked for when the first document is built. */
  constructor(tables: readonly KindTable[], documentation: () => Documentation) {
    this.tables = tables;
    this.documentation = documentation;
  }

  /** `/openapi/v2` as JSON. */
  v2(): Document {
    return this.keep("v2", () => documentOf(this.buildV2()));
  }

  /** `/openapi/v2` in the protobuf form that kubectl asks for. */
  v2Protobuf(): Document {
    return this.keep("v2 protobuf", () => documentOf(encodeV2(this.buildV2())));
  }

  /** `/openapi/v3`: where the document of each group and version is, with its hash. */
  v3Index(): Document {
    return this.keep("v3", () => {
      const paths: Record<string, { serverRelativeURL: string }> = {};
      for (const path of this.groupVersionPaths()) {
        const { bytes } = this.v3(path) as Document;
        paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hashOf(bytes)}` };
      }
      return documentOf({ paths });
    });
  }

  /**
   * The document of one group and version: `api/v1`, `apis/apps/v1`, with or without the leading
   * `/openapi/v3/`. Undefined when it is not served.
   */
  v3(path: string): Document | undefined {
    const wanted = path.replace(/^\/openapi\/v3\//, "").replace(/\/$/, "");
    const tables = this.tables.filter((table) => rootOf(table) === wanted);
    if (tables.length === 0) return undefined;
    return this.keep(wanted, () => documentOf(this.buildV3(tables)));
  }

  private groupVersionPaths(): string[] {
    return [...new Set(this.tables.map(rootOf))].sort();
  }

  private buildV2(): OpenApiV2 {
    const paths = this.tables.flatMap(pathsOf);
    const names = reachableFrom(rootsOf(paths));
    const schemas = definitions(names, V2, this.tables, this.documentation());
    return documentV2(KUBERNETES_VERSION, paths, schemas);
  }

  private buildV3(tables: readonly KindTable[]): object {
    const paths = tables.flatMap(pathsOf);
    const names = reachableFrom(rootsOf(paths));
    const schemas = definitions(names, V3, this.tables, this.documentation());
    return documentV3(KUBERNETES_VERSION, paths, schemas);
  }

  private keep(key: string, build: () => Document): Document {
    let document = this.kept.get(key);
    if (!document) {
      document = build();
      this.kept.set(key, document);
    }
    return document;
  }
}

/** `api/v1`, `apis/apps/v1` */
function rootOf(table: KindTable): string {
  return `${table.group ? "apis" : "api"}/${apiVersionOf(table)}`;
}

/** The definitions that operations name. */
function rootsOf(paths: readonly ApiPath[]): Set<string> {
  const names = new Set<string>();
  for (const { operations } of paths) {
    for (const { body, answer } of operations) {
      if (body) names.add(body);
      if (answer) names.add(answer);
    }
  }
  return names;
}

/** The build writes the texts beside the programs; without them fields have no descriptions. */
function builtDocumentation(): Documentation {
  const file = new URL("../../../dist/documentation.json", import.meta.url);
  if (!existsSync(file)) return {};
  return JSON.parse(readFileSync(file, "utf8")) as Documentation;
}

const builtIn = new OpenApi(KINDS, builtDocumentation);

/** `/openapi/v2` of the built-in kinds as JSON. */
export function openapiV2(): Document {
  return builtIn.v2();
}

/** `/openapi/v2` of the built-in kinds as protobuf (`OPENAPI_V2_PROTOBUF`). */
export function openapiV2Protobuf(): Document {
  return builtIn.v2Protobuf();
}

/** `/openapi/v3` of the built-in kinds. */
export function openapiV3Index(): Document {
  return builtIn.v3Index();
}

/** `/openapi/v3/<path>` of the built-in kinds; undefined when that group or version is unknown. */
export function openapiV3(path: string): Document | undefined {
  return builtIn.v3(path);
}
