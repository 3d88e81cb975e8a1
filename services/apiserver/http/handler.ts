import type { Bus } from "../../../shared/actor/bus.ts";
import type { Logger } from "../../../shared/actor/dependencies.ts";
import {
  badRequest,
  methodNotAllowed,
  pathNotFound,
  statusOf,
} from "../../../shared/api/errors.ts";
import type { Runtime } from "../../../shared/runtime/runtime.ts";
import type { Authenticator } from "../auth/authenticate.ts";
import type { Authorizer, Engine, ResourceRequest, UserInfo } from "../request.ts";
import { serveLog } from "../streams/log.ts";
import { demandPath, refuseUnknown } from "./access.ts";
import { ActorMetrics } from "./actor-metrics.ts";
import { readBody, TruncatedError } from "./body.ts";
import { builtInDocuments } from "./documents.ts";
import { clientCertificate, isGone, type Request, type Response } from "./exchange.ts";
import { type HealthCheck, healthAnswer, isHealthPath } from "./health.ts";
import { labelsOf, NO_LABELS } from "./labels.ts";
import { processMetrics, type RequestLabels, RequestMetrics } from "./metrics.ts";
import { builtInTables, CONNECTIONS, parsePath, type ResourceRoute, type Route } from "./path.ts";
import { type Answer, jsonAnswer, respond, statusAnswer } from "./respond.ts";
import { VERSION } from "./version.ts";
import { serveWatch } from "./watch-sink.ts";

/** A document of discovery or of the API's description. */
export interface ServedDocument {
  readonly bytes: Uint8Array;
  readonly contentType: string;
  readonly etag: string;
}

/** Serves `/api`, `/apis`, ..., `/openapi/...`, by path and Accept header. */
export type DocumentSource = (
  path: string,
  accept: string,
) => ServedDocument | undefined | Promise<ServedDocument | undefined>;

/** What the handler of requests works with. */
export interface HandlerOptions {
  readonly engine: Engine;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly runtime: Runtime;
  /** As the apiserver: carries the streams to node agents. */
  readonly bus: Bus;
  /** A node's name as a token of bus subjects. */
  readonly nodeToken: (node: string) => string;
  readonly logger: Logger;
  readonly checks: readonly HealthCheck[];
  /** Default: those of the built-in kinds. */
  readonly documents?: DocumentSource;
  /** `/.well-known/openid-configuration` and `/openid/v1/jwks`. */
  readonly identity: { configuration(): unknown; keySet(): unknown };
}

/** A request with what its head says. */
export interface Asked {
  readonly request: Request;
  readonly user: UserInfo;
  readonly route: Route;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly trace: string;
}

/** Answers HTTP requests: authenticates, routes, and hands resources to the engine. */
export class RequestHandler {
  readonly options: HandlerOptions;
  readonly metrics = new RequestMetrics();
  readonly #actors: ActorMetrics;
  readonly #watches = new Set<{ end(): void }>();

  constructor(options: HandlerOptions) {
    this.options = options;
    this.#actors = new ActorMetrics(options.bus, options.runtime);
  }

  /** Serves one request to its end. Never rejects. */
  async handle(request: Request, response: Response): Promise<void> {
    const { runtime, logger } = this.options;
    const trace = runtime.ids.ulid();
    const begun = runtime.clock.monotonic();
    const kind = request.method === "GET" || request.method === "HEAD" ? "readOnly" : "mutating";
    this.metrics.inflight[kind]++;
    let labels: RequestLabels | undefined;
    let longRunning = false;
    try {
      const asked = this.ask(request, trace);
      labels = labelsOf(asked.route, asked.query);
      longRunning = labels.verb === "WATCH" || labels.subresource === "log";
      if (longRunning) this.metrics.longRunningChanged(labels.verb, 1);
      await this.#serve(asked, response);
    } catch (error) {
      await this.#fail(request, response, error, trace);
    } finally {
      this.metrics.inflight[kind]--;
      if (labels !== undefined && longRunning) this.metrics.longRunningChanged(labels.verb, -1);
      const seconds = (runtime.clock.monotonic() - begun) / 1000;
      this.metrics.observe(labels ?? NO_LABELS, response.statusCode, seconds, longRunning);
      const { method, url } = request;
      logger.debug({ trace, method, url, code: response.statusCode, seconds }, "request");
    }
  }

  /**
   * Authenticates a request and makes out what it asks for.
   * @throws StatusError
   */
  ask(request: Request, trace: string): Asked {
    const target = request.url ?? "/";
    const mark = target.indexOf("?");
    const path = mark < 0 ? target : target.slice(0, mark);
    const query = mark < 0 ? NO_QUERY : new URLSearchParams(target.slice(mark + 1));
    const { authenticator } = this.options;
    const user = authenticator.authenticate(request.headers, clientCertificate(request));
    const route = parsePath(request.method ?? "", path, query, builtInTables);
    return { request, user, route, path, query, trace };
  }

  /** Ends all watches, so that their clients go on at another replica. */
  endWatches(): void {
    for (const watch of this.#watches) watch.end();
  }

  async #serve(asked: Asked, response: Response): Promise<void> {
    const { authorizer } = this.options;
    const { request, user, route } = asked;
    switch (route.type) {
      case "resource":
        return this.#serveResource(asked, route, response);
      case "unknown":
        return refuseUnknown(authorizer, user, route);
      case "path": {
        demandPath(authorizer, user, route.verb === "head" ? "get" : route.verb, route.path);
        const answer = await this.#servePath(asked);
        return respond(request, response, answer, asked.trace);
      }
    }
  }

  async #serveResource(asked: Asked, route: ResourceRoute, response: Response): Promise<void> {
    const { request } = asked;
    const connection = route.subresource?.name ?? "";
    if (CONNECTIONS.includes(connection)) throw badRequest("Upgrade request required");
    if (connection === "log") return serveLog(this.options, asked, route, response);
    const reads = route.verb === "get" || route.verb === "list" || route.verb === "watch";
    const body = reads ? NO_BODY : await readBody(request);
    let asking = resourceRequest(asked, route, body);
    if (isProtobuf(asking)) asking = await withoutProtobuf(asking);
    const result = await this.options.engine.handle(asking);
    if (result.type === "body") return respond(request, response, result, asked.trace);
    if (isGone(response)) return;
    const watch = serveWatch(request, response, result, asked.trace);
    this.#watches.add(watch);
    await watch.done;
    this.#watches.delete(watch);
  }

  async #servePath({ request, path, query }: Asked): Promise<Answer> {
    const { checks, documents = builtInDocuments, identity } = this.options;
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (isHealthPath(path)) {
      const answer = healthAnswer(checks, path, query);
      if (answer === undefined) throw pathNotFound();
      return isRead ? answer : refuseMethod();
    }
    const plain = path.replace(/(?<=.)\/+$/, "");
    switch (plain) {
      case "/":
        return jsonAnswer({ paths: ROOT_PATHS });
      case "/version":
        return isRead ? jsonAnswer(VERSION) : refuseMethod();
      case "/metrics":
        return isRead ? await this.#metrics() : refuseMethod();
      case "/.well-known/openid-configuration":
        return isRead ? jsonAnswer(identity.configuration()) : refuseMethod();
      case "/openid/v1/jwks":
        return {
          ...jsonAnswer(identity.keySet()),
          contentType: "application/jwk-set+json",
        };
    }
    const document = await documents(plain, request.headers.accept ?? "");
    if (document === undefined) throw pathNotFound();
    if (!isRead) refuseMethod();
    return documentAnswer(request, document);
  }

  async #metrics(): Promise<Answer> {
    const text = this.metrics.render() + this.#actors.render() + (await processMetrics());
    const contentType = "text/plain; version=0.0.4; charset=utf-8";
    return { code: 200, contentType, body: [Buffer.from(text)] };
  }

  async #fail(request: Request, response: Response, error: unknown, trace: string) {
    if (error instanceof TruncatedError) {
      response.destroy();
      return;
    }
    const status = statusOf(error);
    if (status.code === 500) {
      this.options.logger.error({ trace, url: request.url, error }, "request failed");
    }
    try {
      await respond(request, response, statusAnswer(status), trace);
    } catch (failure) {
      this.options.logger.error({ trace, error: failure }, "answer failed");
      response.destroy();
    }
  }
}

const NO_BODY = Buffer.alloc(0);
const NO_QUERY = new URLSearchParams();
const ROOT_PATHS = [
  "/.well-known/openid-configuration",
  "/api",
  "/api/v1",
  "/apis",
  "/healthz",
  "/livez",
  "/metrics",
  "/openapi/v2",
  "/openapi/v3",
  "/openid/v1/jwks",
  "/readyz",
  "/version",
];
function refuseMethod(): never {
  throw methodNotAllowed();
}

function documentAnswer(request: Request, document: ServedDocument): Answer {
  const headers = { ETag: document.etag, Vary: "Accept" };
  const known = (request.headers["if-none-match"] ?? "").split(",").map((one) => one.trim());
  const { contentType } = document;
  if (known.includes(document.etag)) return { code: 304, contentType, body: [], headers };
  return { code: 200, contentType, body: [document.bytes], headers };
}

/** The request as the engine takes it. */
export function resourceRequest(
  asked: Pick<Asked, "request" | "user" | "query" | "trace">,
  route: ResourceRoute,
  body: Buffer,
): ResourceRequest {
  const { headers } = asked.request;
  let { query } = asked;
  let name = route.name;
  if (route.verb === "watch" && name !== "") {
    // The old watch paths may name one object
    const selector = query.get("fieldSelector");
    query = new URLSearchParams(query);
    query.set("fieldSelector", `${selector ? `${selector},` : ""}metadata.name=${name}`);
    name = "";
  }
  return {
    verb: route.verb,
    user: asked.user,
    table: route.table,
    ...(route.subresource === undefined ? {} : { subresource: route.subresource }),
    namespace: route.namespace,
    name,
    query,
    body,
    contentType: headers["content-type"] ?? "",
    accept: headers.accept ?? "",
    userAgent: headers["user-agent"] ?? "",
    trace: asked.trace,
    actor: "user",
    replica: asked.user.username,
    cause: 0,
  };
}

const PROTOBUF_TYPE = "application/vnd.kubernetes.protobuf";

function isProtobuf({ contentType, body }: ResourceRequest): boolean {
  if (body.length === 0 || contentType === "") return false;
  const [type = ""] = contentType.split(";");
  return type.trim() === PROTOBUF_TYPE;
}

/** The engine reads JSON and YAML; what clients of Go send as protobuf becomes JSON. */
async function withoutProtobuf(request: ResourceRequest): Promise<ResourceRequest> {
  const { decodeProtobuf } = await import("../../../shared/api/protobuf/decode.ts");
  const body = Buffer.from(JSON.stringify(decodeProtobuf(request.body)));
  return { ...request, body, contentType: "application/json" };
}
