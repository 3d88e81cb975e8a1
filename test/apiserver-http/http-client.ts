import { type IncomingHttpHeaders, request as plainRequest } from "node:http";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { type Agent, request } from "node:https";
import { connect, type TLSSocket } from "node:tls";
import type { Pki } from "../../services/apiserver/auth/pki.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";

/** What a client needs to know of a server. */
export interface Target {
  readonly url: string;
  readonly pki: Pki;
  readonly server: { readonly port: number };
}

export interface Reply {
  readonly code: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  /** Whatever the server sends. */
  readonly json: KubernetesObject;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: Buffer | string;
  readonly token?: string | undefined;
  /** Show the administrator's certificate. */
  readonly certificate?: { certificate: string; key: string };
  readonly agent?: Agent;
}

/** One request over HTTP/1.1. */
export function ask(served: Target, path: string, options: Ask = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const { certificate } = options;
    const message = request(
      served.url + path,
      {
        method: options.method ?? "GET",
        ca: served.pki.ca.certificate,
        ...(options.agent === undefined ? { agent: false } : { agent: options.agent }),
        ...(certificate === undefined
          ? {}
          : { cert: certificate.certificate, key: certificate.key }),
        headers: {
          ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
          ...options.headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () =>
          resolve(replyOf(response.statusCode ?? 0, response.headers, Buffer.concat(chunks))),
        );
      },
    );
    message.on("error", reject);
    message.end(options.body);
  });
}

/** A session of HTTP/2. */
export function http2Session(
  served: Target,
  certificate?: { certificate: string; key: string },
): ClientHttp2Session {
  return connectHttp2(served.url, {
    ca: served.pki.ca.certificate,
    ...(certificate === undefined ? {} : { cert: certificate.certificate, key: certificate.key }),
  });
}

/** One request over HTTP/2. */
export function askHttp2(
  session: ClientHttp2Session,
  path: string,
  options: Ask = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":path": path,
      ":method": options.method ?? "GET",
      ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
      ...options.headers,
    });
    const chunks: Buffer[] = [];
    let headers: IncomingHttpHeaders & { ":status"?: number } = {};
    stream.on("response", (received) => {
      headers = received;
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("end", () =>
      resolve(replyOf(Number(headers[":status"]), headers, Buffer.concat(chunks))),
    );
    if (options.body) stream.end(options.body);
    else stream.end();
  });
}

/** A TLS connection to write anything on; resolves what came back once the server closes it. */
export function rawConnection(served: Target): { socket: TLSSocket; answer: Promise<string> } {
  const socket = connect({
    port: served.server.port,
    host: "127.0.0.1",
    ca: served.pki.ca.certificate,
    ALPNProtocols: ["http/1.1"],
  });
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", () => undefined);
  const answer = new Promise<string>((resolve) => {
    socket.on("close", () => resolve(Buffer.concat(chunks).toString("latin1")));
  });
  return { socket, answer };
}

/** Speaks HTTP to the TLS port; resolves when the server has had enough. */
export function withoutTls(served: Target): Promise<string> {
  return new Promise((resolve) => {
    const message = plainRequest({ port: served.server.port, host: "127.0.0.1" });
    message.on("response", () => resolve("answered"));
    message.on("error", () => resolve("refused"));
    message.end();
  });
}

function replyOf(code: number, headers: IncomingHttpHeaders, body: Buffer): Reply {
  return {
    code,
    headers,
    body,
    get text() {
      return body.toString("utf8");
    },
    get json() {
      return JSON.parse(body.toString("utf8"));
    },
  };
}
