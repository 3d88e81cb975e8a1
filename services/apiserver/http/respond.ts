import { constants, gzip } from "node:zlib";
import type { StatusBody } from "../../../shared/actor/api.ts";
import { isHttp2, type Request, type Response } from "./exchange.ts";

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

/** Headers that every answer has. */
export function setCommonHeaders(response: Response, trace: string): void {
  response.setHeader("Audit-Id", trace);
  response.setHeader("Cache-Control", "no-cache, private");
}

/** Sets `Warning` headers (RFC 7234; 299 as Kubernetes uses it). */
export function setWarnings(response: Response, warnings: readonly string[] | undefined): void {
  if (warnings === undefined || warnings.length === 0) return;
  response.setHeader(
    "Warning",
    warnings.map((text) => `299 - "${printable(text).replace(/(["\\])/g, "\\$1")}"`),
  );
}

/** Writes a whole answer; resolves when it is handed to the connection. */
export async function respond(request: Request, response: Response, answer: Answer): Promise<void> {
  if (response.headersSent || response.destroyed) return;
  for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value);
  setWarnings(response, answer.warnings);
  response.setHeader("Content-Type", answer.contentType);
  const [only] = answer.body;
  let body = answer.body.length === 1 && only !== undefined ? only : Buffer.concat(answer.body);
  if (compresses(request, answer.code, body.length)) {
    body = await gzipped(body);
    response.setHeader("Content-Encoding", "gzip");
    response.setHeader("Vary", "Accept-Encoding");
    if (response.destroyed) return;
  }
  response.statusCode = answer.code;
  if (answer.code === 304 || answer.code === 204) {
    response.end();
    return;
  }
  response.setHeader("Content-Length", body.length);
  const last = request.method === "HEAD" ? undefined : body;
  if (isHttp2(request) || request.complete) response.end(last);
  else endAfterRequest(request, response, last);
}

/**
 * Sends the answer at once, but lets the client send the rest of its request: the end of an answer
 * may close the connection, and a client that is cut off while it writes never reads the answer.
 */
function endAfterRequest(request: Request, response: Response, body: Uint8Array | undefined): void {
  if (body !== undefined) response.write(body);
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

function gzipped(body: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gzip(body, { level: constants.Z_BEST_SPEED }, (error, result) => {
      if (error === null) resolve(result);
      else reject(error);
    });
  });
}

/** Header values may not hold control characters or anything beyond Latin-1. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, " ");
}
