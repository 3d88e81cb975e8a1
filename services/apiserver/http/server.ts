import type { IncomingMessage } from "node:http";
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { Request, Response } from "./exchange.ts";
import { type HandlerOptions, RequestHandler } from "./handler.ts";

/** Keys and certificates, PEM. */
export interface ServerTls {
  readonly certificate: string;
  readonly key: string;
  /** Signs the client certificates that count. */
  readonly clientAuthority: string;
}

export interface HttpServerOptions extends HandlerOptions {
  readonly tls: ServerTls;
  /** 0: any free port. */
  readonly port: number;
  /** Default: all addresses. */
  readonly address?: string;
  /** The descriptor of a socket that has the port already; then the two above do not count. */
  readonly socket?: number;
  readonly limits?: Partial<HttpLimits>;
}

/** Milliseconds. */
export interface HttpLimits {
  /** For the TLS handshake. */
  readonly handshake: number;
  /** From the connection, or the last answer on it, to the end of a request's headers. */
  readonly headers: number;
  /** To the end of a request's body. */
  readonly request: number;
  /** A connection without a request. */
  readonly idle: number;
}

const LIMITS: HttpLimits = { handshake: 10_000, headers: 32_000, request: 60_000, idle: 90_000 };
const HEADER_BYTES_MAX = 1024 * 1024;

export interface HttpServer {
  readonly port: number;
  /** Changes the certificate for new connections. */
  setTls(tls: ServerTls): void;
  /** Takes no more requests, ends watches, lets others finish for up to `graceMs`. */
  close(graceMs?: number): Promise<void>;
}

/** Serves HTTPS, HTTP/1.1 and HTTP/2 on one port; resolves when it listens. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const handler = new RequestHandler(options);
  const limits = { ...LIMITS, ...options.limits };
  const server = createSecureServer({
    ...contextOf(options.tls),
    allowHTTP1: true,
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: limits.handshake,
    maxSessionMemory: 64,
    settings: { maxConcurrentStreams: 250, initialWindowSize: 256 * 1024 },
    maxHeaderListPairs: 1000,
  });
  const connections = new Connections(server, handler, limits);
  server.on("request", (request, response) => {
    connections.begin(request as unknown as Request, response as unknown as Response);
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    connections.upgrade(request, socket, head);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    const { port, address, socket } = options;
    const where = address === undefined ? { port } : { port, host: address };
    server.listen(socket === undefined ? where : { fd: socket }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  server.on("error", (error) => options.logger.error({ error }, "HTTP server"));
  return {
    port: (server.address() as AddressInfo).port,
    setTls: (tls) => server.setSecureContext(contextOf(tls)),
    close: (graceMs = 5_000) => connections.close(graceMs),
  };
}

function contextOf(tls: ServerTls) {
  return {
    cert: tls.certificate,
    key: tls.key,
    ca: tls.clientAuthority,
    minVersion: "TLSv1.2" as const,
  };
}

function ignore(): void {}

/** The server's connections and what is under way on them. */
class Connections {
  readonly #server: Http2SecureServer;
  readonly #handler: RequestHandler;
  /** Connections that have not finished their TLS handshake, by remote address. */
  readonly #handshaking = new Map<string, Socket>();
  readonly #sockets = new Set<TLSSocket>();
  readonly #sessions = new Set<ServerHttp2Session>();
  /** Requests under way per HTTP/1 connection. */
  readonly #busy = new Map<Socket, number>();
  #closing = false;
  #settled: () => void = () => undefined;

  constructor(server: Http2SecureServer, handler: RequestHandler, limits: HttpLimits) {
    this.#server = server;
    this.#handler = handler;
    Object.assign(server, {
      headersTimeout: limits.headers,
      requestTimeout: limits.request,
      keepAliveTimeout: limits.idle,
      maxHeaderSize: HEADER_BYTES_MAX,
      connectionsCheckingInterval: Math.min(limits.headers, 5_000),
    });
    server.on("connection", (socket: Socket) => {
      const key = addressOf(socket);
      this.#handshaking.set(key, socket);
      // An event must not wait until the client has acknowledged the one before: up to 40 ms.
      socket.setNoDelay(true);
      // A connection that breaks is no event for anybody
      socket.on("error", () => socket.destroy());
      socket.on("close", () => this.#handshaking.delete(key));
    });
    server.on("secureConnection", (socket: TLSSocket) => this.#addSocket(socket));
    server.on("session", (session) => this.#addSession(session, limits));
    server.on("tlsClientError", (_error, socket: TLSSocket) => socket.destroy());
    server.on("clientError", refuseMalformed);
    server.on("sessionError", () => undefined);
    server.on("unknownProtocol", (socket: Duplex) => socket.destroy());
  }

  begin(request: Request, response: Response): void {
    if (request.httpVersionMajor === 1) this.#track(request.socket, response);
    request.on("error", ignore);
    response.on("error", ignore);
    void this.#handler.handle(request, response);
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const serve = async () => {
      const { serveUpgrade } = await import("../streams/upgrade.ts");
      await serveUpgrade(this.#handler, request, socket, head);
    };
    serve().catch((error) => {
      this.#handler.options.logger.error({ error, url: request.url }, "upgrade failed");
      socket.destroy();
    });
  }

  /** Idle connections end at once; those with requests when these are answered. */
  close(graceMs: number): Promise<void> {
    this.#closing = true;
    this.#server.close();
    this.#handler.endWatches();
    for (const socket of this.#handshaking.values()) socket.destroy();
    for (const session of this.#sessions) session.close();
    for (const socket of this.#sockets) {
      if (!this.#busy.has(socket) && socket.alpnProtocol !== "h2") socket.destroy();
    }
    return new Promise((resolve) => {
      const cancel = this.#handler.options.runtime.timers.after(graceMs, () => {
        for (const session of this.#sessions) session.destroy();
        for (const socket of this.#sockets) socket.destroy();
      });
      this.#settled = () => {
        if (this.#sockets.size > 0) return;
        cancel();
        resolve();
      };
      this.#settled();
    });
  }

  #addSocket(socket: TLSSocket): void {
    this.#handshaking.delete(addressOf(socket));
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#settled();
    });
  }

  #addSession(session: ServerHttp2Session, limits: HttpLimits): void {
    this.#sessions.add(session);
    session.on("close", () => this.#sessions.delete(session));
    session.on("error", () => session.destroy());
    const { timers } = this.#handler.options.runtime;
    const rest = () => timers.after(limits.idle, () => session.close());
    let streams = 0;
    let cancel = rest();
    session.on("close", () => cancel());
    session.on("stream", (stream) => {
      streams++;
      cancel();
      stream.on("error", () => undefined);
      stream.on("close", () => {
        if (--streams === 0 && !session.closed) cancel = rest();
      });
    });
  }

  #track(socket: Socket, response: Response): void {
    if (this.#closing) response.setHeader("Connection", "close");
    this.#busy.set(socket, (this.#busy.get(socket) ?? 0) + 1);
    response.on("close", () => {
      const left = (this.#busy.get(socket) ?? 1) - 1;
      if (left > 0) this.#busy.set(socket, left);
      else this.#busy.delete(socket);
      if (this.#closing && left <= 0) socket.destroySoon();
    });
  }
}

function addressOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

/** What cannot be read as HTTP gets the shortest answer and a closed connection. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  const status: Record<string, string> = {
    HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
    ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
  };
  if (socket.writable && error.code !== "ECONNRESET") {
    const line = status[error.code ?? ""] ?? "400 Bad Request";
    const head = `HTTP/1.1 ${line}\r\nContent-Type: text/plain; charset=utf-8\r\n`;
    const text = `${head}Connection: close\r\nContent-Length: ${line.length}\r\n\r\n${line}`;
    socket.end(text, () => socket.destroy());
  } else socket.destroy();
}
