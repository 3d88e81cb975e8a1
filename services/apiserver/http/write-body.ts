import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createGzip } from "node:zlib";
import { isGone, type Response } from "./exchange.ts";

/** Small parts of a body are gathered up to this many bytes. */
const PIECE_BYTES = 256 * 1024;

/** Bytes of a body in parts. */
export function bytesOf(body: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const part of body) bytes += part.length;
  return bytes;
}

/**
 * Writes a body behind the headers, piece by piece as the client takes it: a slow client holds a
 * piece, not a copy of the body, and others are served between the pieces. Resolves when all is
 * handed to the connection, or when that is gone.
 */
export async function writeBody(response: Response, body: readonly Uint8Array[]): Promise<void> {
  const pieces = piecesOf(body);
  let next = pieces.next();
  while (!next.done && !isGone(response)) {
    const piece = next.value;
    next = pieces.next();
    if (next.done) response.end(piece);
    else if (!response.write(piece)) await roomIn(response);
  }
}

/** The same compressed, as it is not worth remembering: only what is large is. */
export async function writeCompressed(
  response: Response,
  body: readonly Uint8Array[],
): Promise<void> {
  if (isGone(response)) return;
  const gzip = createGzip({ level: constants.Z_BEST_SPEED, chunkSize: 64 * 1024 });
  try {
    await pipeline(Readable.from(piecesOf(body)), gzip, response);
  } catch (error) {
    // A client that went away is no failure.
    if (!isGone(response)) throw error;
  }
}

/** Resolves when the response takes more, or is gone. */
export function roomIn(response: Response): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
    if (isGone(response)) done();
  });
}

/** The body in pieces that are worth a write each. */
function* piecesOf(body: readonly Uint8Array[]): Generator<Uint8Array> {
  let first = 0;
  let bytes = 0;
  for (let index = 0; index < body.length; index++) {
    const { length } = body[index] as Uint8Array;
    if (bytes > 0 && bytes + length > PIECE_BYTES) {
      yield joined(body, first, index, bytes);
      first = index;
      bytes = 0;
    }
    bytes += length;
  }
  yield joined(body, first, body.length, bytes);
}

function joined(
  body: readonly Uint8Array[],
  first: number,
  end: number,
  bytes: number,
): Uint8Array {
  if (end - first === 1) return body[first] as Uint8Array;
  const piece = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (let index = first; index < end; index++) {
    const part = body[index] as Uint8Array;
    piece.set(part, at);
    at += part.length;
  }
  return piece;
}
