import { request } from "node:http";
import type { Socket } from "node:net";
import { constants, createDeflate, type Deflate } from "node:zlib";
import { RuntimeError } from "../runtimes/runtime.ts";

/**
 * The part of SPDY/3.1 that container runtimes speak on their streaming URLs: a client that opens
 * streams on one connection. It is used rather than WebSockets because a SPDY stream can be closed
 * in one direction, which is how a command sees the end of its input.
 *
 * Runtimes do not use SPDY's flow control; what is not read here holds back the whole connection.
 */
const VERSION = 3;
const SYN_STREAM = 1;
const SYN_REPLY = 2;
const RST_STREAM = 3;
const PING = 6;
const GOAWAY = 7;
const FLAG_FIN = 1;
const HEADER_BYTES = 8;
/** Bytes that may wait for their readers before the connection is held back. */
const WINDOW_BYTES = 256 * 1024;
const CHUNK_BYTES = 64 * 1024;
const CONNECT_MS = 30_000;

/**
 * Connects to a streaming URL, with one of the protocols that run on SPDY
 * (`v4.channel.k8s.io`, `portforward.k8s.io`). @throws RuntimeError.
 */
export function connectSpdy(
  url: string,
  protocol: string,
  after: (ms: number, run: () => void) => () => void,
): Promise<SpdyConnection> {
  return new Promise((resolve, reject) => {
    const fail = (message: string): void => {
      cancel();
      reject(new RuntimeError("failed", message));
    };
    const headers = {
      Connection: "Upgrade",
      Upgrade: "SPDY/3.1",
      "X-Stream-Protocol-Version": protocol,
    };
    const outgoing = request(url, { method: "POST", headers, agent: false });
    const cancel = after(CONNECT_MS, () => {
      outgoing.destroy(new Error("the runtime did not answer"));
    });
    outgoing.once("upgrade", (_response, socket, head) => {
      cancel();
      resolve(new SpdyConnection(socket as Socket, head));
    });
    outgoing.once("response", (response) => {
      response.resume();
      fail(`the runtime answered ${response.statusCode} instead of switching protocols`);
    });
    outgoing.once("error", (error) => fail(error.message));
    outgoing.end();
  });
}

export class SpdyConnection {
  readonly #socket: Socket;
  readonly #deflate: Deflate;
  readonly #streams = new Map<number, SpdyStream>();
  #compressed: Buffer[] = [];
  #rest: Buffer = Buffer.alloc(0);
  #nextStream = 1;
  #waiting = 0;
  #closed = false;

  constructor(socket: Socket, head: Buffer) {
    this.#socket = socket;
    socket.setNoDelay(true);
    // The stream may announce SPDY's dictionary but need not; without it, it is plain zlib.
    this.#deflate = createDeflate({ level: constants.Z_BEST_SPEED });
    this.#deflate.on("data", (chunk: Buffer) => this.#compressed.push(chunk));
    socket.on("data", (chunk) => this.#receive(chunk));
    socket.on("error", () => this.close());
    socket.on("close", () => this.close());
    if (head.length > 0) this.#receive(head);
  }

  /** Opens a stream with these headers. One at a time: await each before the next. */
  async open(headers: Readonly<Record<string, string>>): Promise<SpdyStream> {
    const id = this.#nextStream;
    this.#nextStream += 2;
    const stream = new SpdyStream({
      data: (data, fin) => this.#sendData(id, data, fin),
      reset: () => this.#sendReset(id),
      taken: (bytes) => this.#taken(bytes),
    });
    this.#streams.set(id, stream);
    const block = await this.#compress(headerBlock(headers));
    const body = Buffer.alloc(10);
    body.writeUInt32BE(id, 0);
    this.#sendControl(SYN_STREAM, 0, Buffer.concat([body, block]));
    if (this.#closed) stream.finish();
    return stream;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    this.#deflate.close();
    for (const stream of this.#streams.values()) stream.finish();
    this.#streams.clear();
  }

  #compress(block: Buffer): Promise<Buffer> {
    return new Promise((resolve) => {
      this.#deflate.write(block);
      this.#deflate.flush(constants.Z_SYNC_FLUSH, () => {
        const bytes = Buffer.concat(this.#compressed);
        this.#compressed = [];
        resolve(bytes);
      });
    });
  }

  #sendControl(type: number, flags: number, body: Buffer): void {
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt16BE(0x8000 | VERSION, 0);
    header.writeUInt16BE(type, 2);
    header.writeUInt32BE(((flags << 24) | body.length) >>> 0, 4);
    if (!this.#closed) this.#socket.write(Buffer.concat([header, body]));
  }

  #sendReset(id: number): void {
    const body = Buffer.alloc(8);
    body.writeUInt32BE(id, 0);
    body.writeUInt32BE(5, 4);
    this.#sendControl(RST_STREAM, 0, body);
  }

  #sendData(id: number, data: Uint8Array, fin: boolean): Promise<void> {
    if (this.#closed) return Promise.resolve();
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt32BE(id, 0);
    header.writeUInt32BE((((fin ? FLAG_FIN : 0) << 24) | data.length) >>> 0, 4);
    return new Promise((resolve) => {
      this.#socket.write(Buffer.concat([header, data]), () => resolve());
    });
  }

  #receive(chunk: Buffer): void {
    let bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    while (bytes.length >= HEADER_BYTES) {
      const length = bytes.readUInt32BE(4) & 0xffffff;
      if (bytes.length < HEADER_BYTES + length) break;
      const body = bytes.subarray(HEADER_BYTES, HEADER_BYTES + length);
      const flags = bytes[4] ?? 0;
      const first = bytes.readUInt32BE(0);
      if (first >= 0x8000_0000) this.#receiveControl(first & 0xffff, flags, body);
      else this.#receiveData(first, flags, body);
      bytes = bytes.subarray(HEADER_BYTES + length);
    }
    this.#rest = bytes;
  }

  #receiveData(id: number, flags: number, body: Buffer): void {
    const stream = this.#streams.get(id);
    if (stream && body.length > 0) {
      this.#waiting += body.length;
      if (this.#waiting > WINDOW_BYTES) this.#socket.pause();
      stream.push(body);
    }
    if (flags & FLAG_FIN) stream?.finish();
  }

  #receiveControl(type: number, flags: number, body: Buffer): void {
    if (type === SYN_REPLY && flags & FLAG_FIN) this.#streams.get(body.readUInt32BE(0))?.finish();
    else if (type === RST_STREAM) this.#streams.get(body.readUInt32BE(0))?.finish();
    else if (type === PING) this.#sendControl(PING, 0, Buffer.from(body));
    else if (type === GOAWAY) for (const stream of this.#streams.values()) stream.finish();
  }

  #taken(bytes: number): void {
    this.#waiting -= bytes;
    if (this.#waiting <= WINDOW_BYTES / 2 && this.#socket.isPaused()) this.#socket.resume();
  }
}

interface StreamLink {
  data(data: Uint8Array, fin: boolean): Promise<void>;
  reset(): void;
  taken(bytes: number): void;
}

/** One stream of a connection: bytes in both directions, each of which can end by itself. */
export class SpdyStream {
  readonly #link: StreamLink;
  readonly #queue: Buffer[] = [];
  #wake: () => void = () => undefined;
  #finished = false;
  #ended = false;

  constructor(link: StreamLink) {
    this.#link = link;
  }

  /** Resolves when the connection has taken the bytes. */
  async write(data: Uint8Array): Promise<void> {
    for (let offset = 0; offset < data.length && !this.#ended; offset += CHUNK_BYTES) {
      await this.#link.data(data.subarray(offset, offset + CHUNK_BYTES), false);
    }
  }

  /** Nothing more is written. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    void this.#link.data(new Uint8Array(0), true);
  }

  reset(): void {
    this.#ended = true;
    this.#link.reset();
    this.finish();
  }

  /** What arrives, until the peer's end; for one reader. */
  async *read(): AsyncIterableIterator<Buffer> {
    for (;;) {
      const chunk = this.#queue.shift();
      if (chunk) {
        this.#link.taken(chunk.length);
        yield chunk;
      } else if (this.#finished) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  /** Called by the connection. */
  push(chunk: Buffer): void {
    if (this.#finished) this.#link.taken(chunk.length);
    else this.#queue.push(chunk);
    this.#wake();
  }

  /** Called by the connection: nothing more arrives. */
  finish(): void {
    this.#finished = true;
    this.#wake();
  }
}

/** Names and values, each behind its length; names in lower case. */
function headerBlock(headers: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(headers);
  const parts = [lengthOf(entries.length)];
  for (const [name, value] of entries) {
    for (const text of [name.toLowerCase(), value]) {
      const bytes = Buffer.from(text, "utf8");
      parts.push(lengthOf(bytes.length), bytes);
    }
  }
  return Buffer.concat(parts);
}

function lengthOf(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
}
