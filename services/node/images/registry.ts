import { createReadStream, statSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Logger } from "../../../shared/actor/dependencies.ts";
import { LOCAL_REGISTRY } from "./catalog.ts";
import { blobPath, type ImageStore } from "./store.ts";

export interface RegistryOptions {
  readonly store: ImageStore;
  readonly logger: Logger;
  /** Address that the nodes reach; never a public one, since there is no authentication. */
  readonly address: string;
  /** 0: any free port. */
  readonly port: number;
}

export interface Registry {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves the stored images to container runtimes: the reading half of the OCI distribution API, as
 * a mirror. A runtime names the registry that the image belongs to in `?ns=`; what is not stored
 * here is answered 404, upon which the runtime asks that registry itself.
 */
export async function startRegistry(options: RegistryOptions): Promise<Registry> {
  const server = createServer((request, response) => {
    try {
      answer(options.store, request, response);
    } catch (error) {
      if (error instanceof URIError) {
        refuse(response, 400, "NAME_INVALID", "malformed path");
        return;
      }
      options.logger.error({ err: error, url: request.url }, "registry request failed");
      if (!response.headersSent) refuse(response, 500, "UNKNOWN", "internal error");
      else response.destroy();
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.address, () => resolve());
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${options.address}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const MANIFEST_PATH = /^\/v2\/(?<repository>[^?]+)\/manifests\/(?<reference>[^/]+)$/;
const BLOB_PATH = /^\/v2\/(?<repository>[^?]+)\/blobs\/(?<digest>[^/]+)$/;

function answer(store: ImageStore, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "/", "http://registry");
  if (request.method !== "GET" && request.method !== "HEAD") {
    refuse(response, 405, "UNSUPPORTED", "this registry can only be read");
    return;
  }
  if (url.pathname === "/v2/" || url.pathname === "/v2") {
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
    return;
  }
  const manifest = MANIFEST_PATH.exec(url.pathname)?.groups;
  if (manifest) {
    const registry = url.searchParams.get("ns") ?? LOCAL_REGISTRY;
    answerManifest(store, request, response, {
      registry,
      repository: manifest["repository"] ?? "",
      reference: decodeURIComponent(manifest["reference"] ?? ""),
    });
    return;
  }
  const digest = BLOB_PATH.exec(url.pathname)?.groups?.["digest"];
  const path = digest === undefined ? undefined : blobPath(store, decodeURIComponent(digest));
  if (digest !== undefined && path !== undefined) {
    sendFile(request, response, path, digest, "application/octet-stream");
  } else {
    refuse(response, 404, "BLOB_UNKNOWN", "blob unknown to registry");
  }
}

interface ManifestParts {
  registry: string;
  repository: string;
  reference: string;
}

function answerManifest(
  store: ImageStore,
  request: IncomingMessage,
  response: ServerResponse,
  { registry, repository, reference }: ManifestParts,
): void {
  const named = reference.includes(":")
    ? store
        .names()
        .filter((name) => name.startsWith(`${registry}/${repository}:`))
        .map((name) => store.resolve(name))
        .find((descriptor) => descriptor?.digest === reference)
    : store.resolve(`${registry}/${repository}:${reference}`);
  const path = named && blobPath(store, named.digest);
  if (named === undefined || path === undefined) {
    refuse(response, 404, "MANIFEST_UNKNOWN", "manifest unknown");
    return;
  }
  sendFile(request, response, path, named.digest, named.mediaType);
}

/** Sends a file whole, or from the offset that a resuming client asks for. */
function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  digest: string,
  type: string,
): void {
  const size = statSync(path).size;
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const partial = from > 0 && from < size;
  response.writeHead(partial ? 206 : 200, {
    "content-type": type,
    "content-length": partial ? size - from : size,
    "docker-content-digest": digest,
    "accept-ranges": "bytes",
    ...(partial ? { "content-range": `bytes ${from}-${size - 1}/${size}` } : {}),
  });
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  const file = createReadStream(path, partial ? { start: from } : {});
  file.on("error", () => response.destroy());
  response.on("close", () => file.destroy());
  file.pipe(response);
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response
    .writeHead(status, { "content-type": "application/json" })
    .end(JSON.stringify({ errors: [{ code, message }] }));
}
