import { constants, createDeflate, createInflate, type Deflate, type Inflate } from "node:zlib";
import { DICTIONARY } from "./dictionary.ts";
import { SpdyError } from "./frames.ts";

/** Names in lower case; several values of a name are joined with a NUL, as on the wire. */
export type Headers = Readonly<Record<string, string>>;

/** Inflated bytes that one header block may have. */
const BLOCK_BYTES_MAX = 256 * 1024;

/**
 * The header compression of a connection: one context per direction, so every block must go
 * through it, in order, one at a time.
 */
export class HeaderCoder {
  readonly #deflate: Deflate;
  readonly #inflate: Inflate;
  #deflated: Buffer[] = [];
  #inflated: Buffer[] = [];
  #inflatedBytes = 0;
  #failure: Error | undefined;
  #fail: ((error: Error) => void) | undefined;

  constructor() {
    const options = { dictionary: DICTIONARY, flush: constants.Z_SYNC_FLUSH };
    this.#deflate = createDeflate(options);
    this.#inflate = createInflate(options);
    this.#deflate.on("data", (chunk: Buffer) => this.#deflated.push(chunk));
    this.#inflate.on("data", (chunk: Buffer) => {
      this.#inflatedBytes += chunk.length;
      if (this.#inflatedBytes > BLOCK_BYTES_MAX) {
        this.#failure = new SpdyError("header block is too large");
        this.#inflate.destroy(this.#failure);
      } else this.#inflated.push(chunk);
    });
    this.#inflate.on("error", (error) => {
      this.#failure ??= new SpdyError(`header compression: ${error.message}`);
      this.#fail?.(this.#failure);
    });
  }

  /** A block with these headers, to be sent before the next one is asked for. */
  compress(headers: Headers): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#deflate.write(encodeBlock(headers), (error) => {
        if (error) return reject(error);
        const chunks = this.#deflated;
        this.#deflated = [];
        resolve(Buffer.concat(chunks));
      });
    });
  }

  /** @throws SpdyError; the connection cannot go on then. */
  decompress(block: Uint8Array): Promise<Headers> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      this.#inflatedBytes = 0;
      this.#inflate.write(block, () => {
        if (this.#failure !== undefined) return reject(this.#failure);
        const chunks = this.#inflated;
        this.#inflated = [];
        try {
          resolve(decodeBlock(Buffer.concat(chunks)));
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /** Frees the contexts. */
  close(): void {
    this.#deflate.destroy();
    this.#inflate.destroy();
  }
}

function encodeBlock(headers: Headers): Buffer {
  const entries = Object.entries(headers);
  const parts = [numberOf(entries.length)];
  for (const text of entries.flat()) {
    const bytes = Buffer.from(text, "utf8");
    parts.push(numberOf(bytes.length), bytes);
  }
  return Buffer.concat(parts);
}

function decodeBlock(block: Buffer): Headers {
  let offset = 0;
  const number = () => {
    if (offset + 4 > block.length) throw new SpdyError("header block is cut short");
    const value = block.readUInt32BE(offset);
    offset += 4;
    return value;
  };
  const text = () => {
    const length = number();
    if (offset + length > block.length) throw new SpdyError("header block is cut short");
    const value = block.toString("utf8", offset, offset + length);
    offset += length;
    return value;
  };
  const headers: Record<string, string> = Object.create(null);
  for (let left = number(); left > 0; left--) {
    const name = text().toLowerCase();
    headers[name] = text();
  }
  return headers;
}

function numberOf(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
