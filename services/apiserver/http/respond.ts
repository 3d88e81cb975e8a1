import type { OutgoingHttpHeaders } from "node:http";
import type { StatusBody } from "../../../shared/actor/api.ts";
import { isGone, isHttp2, type Request, type Response } from "./exchange.ts";
import { bytesOf, writeBody, writeCompressed } from "./write-body.ts";

const JSON_TYPE = "application/json";
/** Smaller answers are not worth compressing, as in Kubernetes. */
const GZIP_FROM_BYTES = 128 * 1024;

export interface Answer {
  readonly code: number;
  readonly contentType: string;
  readonly body: readonly Uint8Array[];
  readonly warnings?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** A Status as an answer; its code is the HTTP code. */
export function statusAnswer(status: StatusBody): Answer {
  const retryAfter = status.details?.retryAfterSeconds;
  return {
    code: status.code,
    contentType: JSON_TYPE,
    body: [Buffer.from(`${JSON.stringify(status)}\n`)],
    ...(retryAfter === undefined ? {} : { headers: { "Retry-After": String(retryAfter) } }),
  };
}

export function jsonAnswer(value: unknown, code = 200): Answer {
  return { code, contentType: JSON_TYPE, body: [Buffer.from(JSON.stringify(value))] };
}

export function textAnswer(text: string, code = 200): Answer {
  return { code, contentType: "text/plain; charset=utf-8", body: [Buffer.from(text)] };
}

/**
 * Headers of an answer: those that every answer has, its type, and `Warning` headers (RFC 7234; 299
 * as Kubernetes uses it). To be written at once: each header that is set by itself costs as much.
 */
export function headersOf(
  trace: string,
  contentType: string,
  warnings?: readonly string[],
): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {
    "Audit-Id": trace,
    "Cache-Control": "no-cache, private",
    "Content-Type": contentType,
  };
  if (warnings !== undefined && warnings.length > 0) {
    headers["Warning"] = warnings.map(
      (text) => `299 - "${printable(text).replace(/(["\\])/g, "\\$1")}"`,
    );
  }
  return headers;
}

/** Writes a whole answer; a promise only where that takes time. */
export function respond(
  request: Request,
  response: Response,
  answer: Answer,
  trace: string,
): Promise<void> | undefined {
  if (response.headersSent || isGone(response)) return undefined;
  const headers = headersOf(trace, answer.contentType, answer.warnings);
  for (const name in answer.headers) headers[name] = answer.headers[name];
  const { code, body } = answer;
  const bytes = bytesOf(body);
  if (compresses(request, code, bytes)) {
    headers["Content-Encoding"] = "gzip";
    headers["Vary"] = "Accept-Encoding";
    response.writeHead(code, headers);
    return writeCompressed(response, body);
  }
  const bodiless = code === 304 || code === 204;
  if (!bodiless) headers["Content-Length"] = bytes;
  response.writeHead(code, headers);
  if (bodiless || request.method === "HEAD") response.end();
  else if (!isHttp2(request) && !request.complete) endAfterRequest(request, response, body);
  else if (body.length === 1) response.end(body[0]);
  else return writeBody(response, body);
  return undefined;
}

/**
 * Sends the answer at once, but lets the client send the rest of its request: the end of an answer
 * may close the connection, and a client that is cut off while it writes never reads the answer.
 */
function endAfterRequest(request: Request, response: Response, body: readonly Uint8Array[]): void {
  for (const part of body) response.write(part);
  const end = () => response.end();
  request.once("end", end);
  request.once("close", end);
  request.resume();
}

function compresses(request: Request, code: number, bytes: number): boolean {
  if (bytes < GZIP_FROM_BYTES || code !== 200 || request.method !== "GET") return false;
  const accepted = request.headers["accept-encoding"];
  return (
    typeof accepted === "string" &&
    /(^|[,\s])gzip\s*(;\s*q=(?!0(\.0*)?\s*(,|$))|,|$)/.test(accepted)
  );
}

/** Header values may not hold control characters or anything beyond Latin-1. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, " ");
}
