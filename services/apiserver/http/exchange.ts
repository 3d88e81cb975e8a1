import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { TLSSocket } from "node:tls";
import type { ClientCertificate } from "../auth/authenticate.ts";

/**
 * Requests and answers of both HTTP versions, by the interface that Node gives to both: HTTP/2 ones
 * come through its compatibility layer.
 */
export type Request = IncomingMessage;
export type Response = ServerResponse;

const certificates = new WeakMap<object, ClientCertificate | null>();

/** Whether the request came over HTTP/2. */
export function isHttp2(request: Request): boolean {
  return request.httpVersionMajor === 2;
}

/** Whether nobody takes the answer any more. Those of HTTP/2 do not say so themselves. */
export function isGone(response: Response): boolean {
  if (response.destroyed !== undefined) return response.destroyed;
  const { stream } = response as unknown as Partial<Http2ServerResponse>;
  return stream === undefined || stream.closed || stream.destroyed;
}

/** The certificate that the client showed on this connection; undefined: none. */
export function clientCertificate(request: Request): ClientCertificate | undefined {
  const connection = isHttp2(request)
    ? (request as unknown as Http2ServerRequest).stream.session
    : request.socket;
  if (connection === undefined) return undefined;
  let certificate = certificates.get(connection);
  if (certificate === undefined) {
    certificate = readCertificate(request.socket as TLSSocket);
    certificates.set(connection, certificate);
  }
  return certificate ?? undefined;
}

function readCertificate(socket: TLSSocket): ClientCertificate | null {
  const subject: Record<string, unknown> | undefined = socket.getPeerCertificate?.().subject;
  if (subject === undefined) return null;
  return {
    valid: socket.authorized,
    commonName: listOf(subject["CN"])[0] ?? "",
    organizations: listOf(subject["O"]),
  };
}

function listOf(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
