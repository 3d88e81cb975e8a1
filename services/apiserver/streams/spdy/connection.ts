import type { Duplex } from "node:stream";
import { IncomingChannel } from "../../../../shared/streams/channels.ts";
import { encodeSpdyFrame, RST, type SpdyFrame, SpdyFrameReader } from "./frames.ts";
import { HeaderCoder, type Headers } from "./headers.ts";

/** Bytes that may wait unread before the connection is no longer read. */
const UNREAD_BYTES_MAX = 1024 * 1024;
const STREAMS_MAX = 1024;

/**
 * The server's end of a SPDY/3.1 connection: streams that the client opens. Peers of Kubernetes do
 * no flow control of SPDY's own, so a writer waits for the connection to take its bytes, and a
 * connection whose streams are not read is not read either; what is read is told to peers that
 * do count (WINDOW_UPDATE).
 */
export class SpdyConnection {
  /** Resolves when the connection is over, whoever ended it. */
  readonly closed: Promise<void>;
  readonly #socket: Duplex;
  readonly #onStream: (stream: SpdyStream) => void;
  readonly #coder = new HeaderCoder();
  readonly #streams = new Map<number, SpdyStream>();
  #unread = 0;
  #wake: (() => void) | undefined;
  #lastStream = 0;
  #over = false;
  /** Resolves at the connection's next drain; undefined while it takes more. */
  #draining: Promise<void> | undefined;
  /** Header blocks must leave in the order in which they were compressed. */
  #replies: Promise<unknown> = Promise.resolve();

  constructor(socket: Duplex, onStream: (stream: SpdyStream) => void) {
    this.#socket = socket;
    this.#onStream = onStream;
    this.closed = this.#run();
  }

  /**
   * Says goodbye and ends this side behind what was written; the connection is over when the client
   * has ended its side, too.
   */
  async close(): Promise<void> {
    await this.#replies;
    if (this.#over) return;
    this.#write({ type: "goAway", lastStream: this.#lastStream, status: 0 });
    this.#socket.end();
  }

  /** Ends the connection now. */
  destroy(): void {
    this.#socket.destroy();
  }

  async #run(): Promise<void> {
    const reader = new SpdyFrameReader();
    this.#socket.on("error", () => this.#socket.destroy());
    this.#socket.on("close", () => this.#end());
    try {
      for await (const piece of this.#socket) {
        for (const frame of reader.push(piece as Buffer)) await this.#receive(frame);
        while (this.#unread > UNREAD_BYTES_MAX && !this.#over) await this.#drained();
      }
    } catch {
      this.#socket.destroy();
    }
    this.#end();
  }

  async #receive(frame: SpdyFrame): Promise<void> {
    switch (frame.type) {
      case "synStream":
        return this.#open(frame.stream, await this.#coder.decompress(frame.block), frame.fin);
      case "headers":
      case "synReply":
        // Nothing is expected in them, but they are part of the compression's context
        await this.#coder.decompress(frame.block);
        if (frame.fin) this.#streams.get(frame.stream)?.incoming.finish();
        return;
      case "data":
        return this.#data(frame.stream, frame.payload, frame.fin);
      case "rstStream":
        this.#streams.get(frame.stream)?.wasReset();
        this.#streams.delete(frame.stream);
        return;
      case "ping":
        // Odd ones are the client's, to be echoed
        if (frame.id % 2 === 1) this.#write(frame);
        return;
      default:
        return;
    }
  }

  #open(id: number, headers: Headers, fin: boolean): void {
    if (id <= this.#lastStream || id % 2 === 0 || this.#streams.size >= STREAMS_MAX) {
      this.#write({ type: "rstStream", stream: id, status: RST.refusedStream });
      return;
    }
    this.#lastStream = id;
    const stream = new SpdyStream(id, headers, {
      write: (data, ending) =>
        this.#write({ type: "data", stream: id, fin: ending, payload: data }),
      reply: () => this.#reply(id),
      reset: (status) => {
        this.#write({ type: "rstStream", stream: id, status });
        this.#streams.delete(id);
      },
      consumed: (bytes) => this.#consumed(id, bytes),
      done: () => void this.#streams.delete(id),
    });
    this.#streams.set(id, stream);
    if (fin) stream.incoming.finish();
    this.#onStream(stream);
  }

  #data(id: number, payload: Buffer, fin: boolean): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      if (!fin) this.#write({ type: "rstStream", stream: id, status: RST.invalidStream });
      return;
    }
    this.#unread += payload.length;
    stream.incoming.push(payload, Number.POSITIVE_INFINITY);
    if (fin) stream.finishIncoming();
  }

  #reply(id: number): Promise<void> {
    const sent = this.#replies.then(async () => {
      if (this.#over) return;
      const block = await this.#coder.compress({});
      await this.#write({ type: "synReply", stream: id, fin: false, block });
    });
    this.#replies = sent.catch(() => undefined);
    return sent;
  }

  #consumed(id: number, bytes: number): void {
    this.#unread -= bytes;
    this.#wakeReader();
    if (this.#over) return;
    this.#write({ type: "windowUpdate", stream: id, delta: bytes });
    this.#write({ type: "windowUpdate", stream: 0, delta: bytes });
  }

  /** Resolves when the connection takes more. */
  #write(frame: SpdyFrame): Promise<void> {
    if (this.#over || this.#socket.writableEnded) return Promise.resolve();
    if (this.#socket.write(encodeSpdyFrame(frame))) return Promise.resolve();
    this.#draining ??= new Promise((resolve) => {
      const done = () => {
        this.#socket.off("drain", done);
        this.#socket.off("close", done);
        this.#draining = undefined;
        resolve();
      };
      this.#socket.on("drain", done);
      this.#socket.on("close", done);
    });
    return this.#draining;
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #wakeReader(): void {
    if (this.#unread > UNREAD_BYTES_MAX && !this.#over) return;
    this.#wake?.();
    this.#wake = undefined;
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    for (const stream of this.#streams.values()) stream.wasReset();
    this.#streams.clear();
    this.#coder.close();
    this.#wakeReader();
    this.#socket.destroy();
  }
}

interface StreamLink {
  readonly write: (data: Buffer, fin: boolean) => Promise<void>;
  readonly reply: () => Promise<void>;
  readonly reset: (status: number) => void;
  readonly consumed: (bytes: number) => void;
  readonly done: () => void;
}

/** One stream of a connection. */
export class SpdyStream {
  readonly id: number;
  readonly headers: Headers;
  readonly incoming = new IncomingChannel();
  readonly #link: StreamLink;
  #accepted: Promise<void> = Promise.resolve();
  #ended = false;
  #finished = false;

  constructor(id: number, headers: Headers, link: StreamLink) {
    this.id = id;
    this.headers = headers;
    this.#link = link;
  }

  /** Accepts the stream (SYN_REPLY). Clients drop data that comes before that. */
  accept(): Promise<void> {
    this.#accepted = this.#link.reply();
    return this.#accepted;
  }

  /** Resolves when the connection takes more. Does nothing once the stream is over. */
  async write(data: Uint8Array): Promise<void> {
    await this.#accepted;
    if (this.#ended || data.length === 0) return;
    await this.#link.write(Buffer.from(data.buffer, data.byteOffset, data.byteLength), false);
  }

  /** Ends this side of the stream behind what was written. */
  async end(): Promise<void> {
    await this.#accepted;
    if (this.#ended) return;
    this.#ended = true;
    if (this.#finished) this.#link.done();
    await this.#link.write(Buffer.alloc(0), true);
  }

  /** Breaks the stream off. */
  reset(status: number = RST.cancel): void {
    if (this.#ended && this.#finished) return;
    this.#ended = true;
    this.#finished = true;
    this.incoming.drop();
    this.#link.reset(status);
  }

  /** What the client sends, until it ends its side. */
  async *read(): AsyncIterableIterator<Uint8Array> {
    for (;;) {
      const chunk = this.incoming.shift();
      if (chunk !== undefined) {
        this.#link.consumed(chunk.length);
        yield chunk;
      } else if (this.incoming.finished) return;
      else await this.incoming.arrival();
    }
  }

  /** The client has ended its side. */
  finishIncoming(): void {
    this.#finished = true;
    this.incoming.finish();
    if (this.#ended) this.#link.done();
  }

  /** The stream was broken off. */
  wasReset(): void {
    this.#ended = true;
    this.#finished = true;
    this.incoming.finish();
  }
}
