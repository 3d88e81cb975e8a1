import { requestTooLarge } from "../../../shared/api/errors.ts";
import type { Request } from "./exchange.ts";

/** Bytes of a request body, as Kubernetes limits it. */
export const BODY_BYTES_MAX = 3 * 1024 * 1024;

/** The client went away before its request was complete: there is nobody to answer. */
export class TruncatedError extends Error {
  constructor() {
    super("the request ended before its body was complete");
    this.name = new.target.name;
  }
}

/**
 * Reads the whole body. What a client sends beyond the limit is read and dropped, so that it gets
 * to see the answer.
 * @throws StatusError 413, TruncatedError
 */
export function readBody(request: Request, limit = BODY_BYTES_MAX): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const refuse = () => {
      request.removeAllListeners("data");
      request.resume();
      reject(requestTooLarge(limit));
    };
    if (Number(request.headers["content-length"] ?? 0) > limit) {
      refuse();
      return;
    }
    request.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > limit) refuse();
      else chunks.push(chunk);
    });
    let ended = false;
    request.on("end", () => {
      ended = true;
      const [only] = chunks;
      resolve(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks));
    });
    const truncated = () => {
      if (!ended) reject(new TruncatedError());
    };
    request.on("error", truncated);
    request.on("aborted", truncated);
    request.on("close", truncated);
  });
}
