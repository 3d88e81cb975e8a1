import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { parse } from "yaml";
import { discoveryDocument } from "../../../services/apiserver/discovery/index.ts";
import { extractDocumentation } from "../../../services/apiserver/openapi/documentation.ts";
import { OPENAPI_V2_PROTOBUF, OpenApi } from "../../../services/apiserver/openapi/index.ts";
import { tableList, tableRow } from "../../../services/apiserver/table/index.ts";
import { notFound, pathNotFound, StatusError, statusOf } from "../../../shared/api/errors.ts";
import { apiVersionOf, KINDS } from "../../../shared/api/kinds.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import { applyConfiguration, managerName, trackUpdate } from "../../../shared/api/patch/apply.ts";
import { applyJsonPatch } from "../../../shared/api/patch/json.ts";
import { applyMergePatch } from "../../../shared/api/patch/merge.ts";
import { applyStrategicMergePatch } from "../../../shared/api/patch/strategic.ts";
import type { KindTable } from "../../../shared/api/schema.ts";

const MODULES = new URL("../../../node_modules", import.meta.url).pathname;

/** A request as the server saw it. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly contentType: string;
  readonly body: string;
}

/**
 * As little of an API server as kubectl needs to talk to the parts under test: documents, tables
 * and patches over objects in memory, over plain HTTP.
 */
export class SmallServer {
  readonly seen: Seen[] = [];
  readonly objects = new Map<string, KubernetesObject>();
  private readonly documents = new OpenApi(KINDS, () => extractDocumentation(MODULES));
  private readonly server: Server;
  private revision = 1;

  private constructor() {
    this.server = createServer((request, response) => {
      this.handle(request, response).catch((error: unknown) => {
        const status = statusOf(error);
        response.writeHead(status.code, { "content-type": "application/json" });
        response.end(JSON.stringify(status));
      });
    });
  }

  static async start(): Promise<SmallServer> {
    const small = new SmallServer();
    await new Promise<void>((resolve) => small.server.listen(0, "127.0.0.1", resolve));
    return small;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "/", this.url);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const seen = {
      method: request.method ?? "",
      path: pathname,
      query: searchParams,
      contentType: request.headers["content-type"] ?? "",
      body: Buffer.concat(chunks).toString(),
    };
    this.seen.push(seen);
    const accept = request.headers.accept ?? "";
    const document = this.document(pathname, accept);
    const answer = document ?? this.resource(seen, accept, request.headers["user-agent"] ?? "");
    response.writeHead(200, { "content-type": answer.contentType });
    response.end(answer.bytes);
  }

  private document(path: string, accept: string): Answer | undefined {
    const json = { contentType: "application/json" };
    if (path === "/openapi/v2") {
      return accept.includes("protobuf")
        ? { contentType: OPENAPI_V2_PROTOBUF, ...this.documents.v2Protobuf() }
        : { ...json, ...this.documents.v2() };
    }
    if (path === "/openapi/v3") return { ...json, ...this.documents.v3Index() };
    if (path.startsWith("/openapi/v3/")) {
      const found = this.documents.v3(path);
      return found && { ...json, ...found };
    }
    return discoveryDocument(path, accept);
  }

  private resource(seen: Seen, accept: string, userAgent: string): Answer {
    for (const table of KINDS) {
      const root = `/${table.group ? "apis" : "api"}/${apiVersionOf(table)}`;
      const scope = table.namespaced ? "/namespaces/default" : "";
      const collection = `${root}${scope}/${table.plural}`;
      if (seen.path === collection || seen.path.startsWith(`${collection}/`)) {
        const name = seen.path.slice(collection.length + 1);
        return this.answer(table, name, seen, accept, userAgent);
      }
    }
    throw pathNotFound();
  }

  private answer(
    table: KindTable,
    name: string,
    seen: Seen,
    accept: string,
    userAgent: string,
  ): Answer {
    const prefix = `${table.plural}.${table.group}/`;
    const asTable = accept.includes("as=Table");
    const manager = managerName(seen.query.get("fieldManager"), userAgent);
    if (seen.method === "POST") {
      return this.store(prefix, table, undefined, JSON.parse(seen.body), manager);
    }
    if (seen.method === "GET" && !name) {
      const found = [...this.objects].filter(([key]) => key.startsWith(prefix));
      const entries = found.map(([, object]) => sourceOf(object));
      const options = { now: Date.now(), includeObject: "Metadata", resourceVersion: "1" } as const;
      return {
        contentType: "application/json",
        bytes: Buffer.concat(tableList(table, entries, options)),
      };
    }
    const live = this.objects.get(prefix + name);
    if (seen.method === "PATCH" && seen.contentType === "application/apply-patch+yaml") {
      const force = seen.query.get("force") === "true";
      const options = { manager, force, now: Date.now() };
      const { object } = applyConfiguration(live, parse(seen.body), table, options);
      return this.keep(prefix, object);
    }
    if (!live) throw notFound(table, name);
    if (seen.method === "PATCH") {
      return this.store(prefix, table, live, patched(live, seen, table), manager);
    }
    if (seen.method !== "GET") throw pathNotFound();
    const row = { now: Date.now(), includeObject: "Metadata" } as const;
    const bytes = asTable ? tableRow(table, sourceOf(live), row) : sourceOf(live).bytes;
    return { contentType: "application/json", bytes };
  }

  private store(
    prefix: string,
    table: KindTable,
    old: KubernetesObject | undefined,
    next: KubernetesObject,
    manager: string,
  ): Answer {
    const managedFields = trackUpdate(old, next, table, { manager, now: Date.now() });
    return this.keep(prefix, { ...next, metadata: { ...next.metadata, managedFields } });
  }

  private keep(prefix: string, object: KubernetesObject): Answer {
    const kept = {
      ...object,
      metadata: {
        creationTimestamp: new Date(Date.now()).toISOString(),
        uid: "1",
        ...object.metadata,
        resourceVersion: String(this.revision++),
      },
    };
    this.objects.set(prefix + object.metadata.name, kept);
    return { contentType: "application/json", bytes: sourceOf(kept).bytes };
  }
}

interface Answer {
  readonly contentType: string;
  readonly bytes: Uint8Array;
}

function sourceOf(object: KubernetesObject) {
  const { kind, apiVersion, metadata, ...rest } = object;
  return { object, bytes: Buffer.from(JSON.stringify({ kind, apiVersion, metadata, ...rest })) };
}

function patched(live: KubernetesObject, seen: Seen, table: KindTable): KubernetesObject {
  const patch: unknown = JSON.parse(seen.body);
  switch (seen.contentType) {
    case "application/strategic-merge-patch+json":
      return applyStrategicMergePatch(live, patch, table);
    case "application/merge-patch+json":
      return applyMergePatch(live, patch);
    case "application/json-patch+json":
      return applyJsonPatch(live, patch);
    default:
      throw new StatusError({ ...statusOf(new Error(seen.contentType)), code: 415 });
  }
}
