import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Authenticator } from "../../services/apiserver/auth/authenticate.ts";
import { RbacAuthorizer } from "../../services/apiserver/auth/authorize.ts";
import { ensurePki, type Pki } from "../../services/apiserver/auth/pki.ts";
import { parseTokenFile } from "../../services/apiserver/auth/token-file.ts";
import { ServiceAccountTokens } from "../../services/apiserver/auth/tokens.ts";
import {
  type HttpServer,
  type HttpServerOptions,
  startHttpServer,
} from "../../services/apiserver/http/server.ts";
import type { Engine } from "../../services/apiserver/request.ts";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import { encodeObject } from "../../shared/api/encode.ts";
import { keyOf } from "../../shared/api/key.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { liveRuntime } from "../../shared/runtime/live.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import { Projection } from "../../shared/store/projection.ts";
import { MemoryBus } from "../streams/memory-bus.ts";

export const ADMIN_TOKEN = "admin-token";
export const VIEWER_TOKEN = "viewer-token";
const STATIC_TOKENS = `${ADMIN_TOKEN},admin,,"system:masters"\n${VIEWER_TOKEN},viewer,,\n`;

/** A store with objects in it, and the projection of it. */
export async function clusterOf(objects: readonly [string, KubernetesObject][]) {
  const runtime = liveRuntime();
  const store = new MemoryStore(runtime);
  const projection = new Projection({ runtime });
  await projection.follow(store);
  const headers = { actor: "test", replica: "test", trace: "0", cause: 0 };
  const put = async (resource: string, object: KubernetesObject) => {
    const key = keyOf(resource, object.metadata.namespace, object.metadata.name);
    const [revision = 0] = await store.commit([{ key, value: encodeObject(object) }], headers);
    await projection.waitFor(revision, 1000);
  };
  const remove = async (resource: string, namespace: string, name: string) => {
    const key = keyOf(resource, namespace, name);
    const [revision = 0] = await store.commit([{ key, value: null }], headers);
    await projection.waitFor(revision, 1000);
  };
  for (const [resource, object] of objects) await put(resource, object);
  return { store, projection, put, remove };
}

/** A server on a free port, over an engine, with keys and certificates of its own. */
export async function serve(
  engine: Engine,
  options: Partial<HttpServerOptions> = {},
): Promise<Served> {
  const directory = mkdtempSync(join(tmpdir(), "apiserver-http-"));
  const runtime = liveRuntime();
  const cluster = await clusterOf([]);
  const pki = ensurePki(directory, [], runtime);
  const tokens = new ServiceAccountTokens({
    runtime,
    keys: [pki.serviceAccountKey],
    cluster: cluster.projection,
  });
  const authorizer = new RbacAuthorizer(cluster.projection);
  const staticTokens = parseTokenFile(STATIC_TOKENS);
  const bus = new MemoryBus();
  const server = await startHttpServer({
    engine,
    authenticator: new Authenticator({ tokens, staticTokens, authorizer }),
    authorizer,
    runtime,
    bus,
    nodeToken: (node) => node,
    logger: silentLogger,
    checks: [{ name: "ping", live: true, check: () => undefined }],
    identity: tokens,
    tls: {
      certificate: pki.apiserver.certificate,
      key: pki.apiserver.key,
      clientAuthority: pki.ca.certificate,
    },
    port: 0,
    address: "127.0.0.1",
    ...options,
  });
  const stop = async () => {
    await server.close(0);
    cluster.projection.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  const url = `https://127.0.0.1:${server.port}`;
  return { server, url, pki, bus, cluster, tokens, runtime, directory, stop };
}

export interface Served {
  readonly server: HttpServer;
  readonly url: string;
  readonly pki: Pki;
  readonly bus: MemoryBus;
  readonly cluster: Awaited<ReturnType<typeof clusterOf>>;
  readonly tokens: ServiceAccountTokens;
  readonly runtime: ReturnType<typeof liveRuntime>;
  readonly directory: string;
  readonly stop: () => Promise<void>;
}
