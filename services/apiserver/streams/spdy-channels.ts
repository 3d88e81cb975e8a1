import type { Duplex } from "node:stream";
import { ERROR, RESIZE, STDERR, STDIN, STDOUT } from "../../../shared/streams/channels.ts";
import type { ClientChannels } from "./client.ts";
import { SpdyConnection, type SpdyStream } from "./spdy/connection.ts";
import { RST } from "./spdy/frames.ts";

const CHANNELS: Readonly<Record<string, number>> = {
  stdin: STDIN,
  stdout: STDOUT,
  stderr: STDERR,
  error: ERROR,
  resize: RESIZE,
};

/** A remote command over SPDY/3.1: a stream per channel, named by its header `streamtype`. */
export class SpdyChannels implements ClientChannels {
  readonly closed: Promise<void>;
  /** Resolves when the client has opened all the channels that it announced. */
  readonly complete: Promise<void>;
  readonly #connection: SpdyConnection;
  readonly #streams = new Map<number, SpdyStream>();

  constructor(socket: Duplex, expected: readonly number[]) {
    let isComplete: () => void = () => undefined;
    this.complete = new Promise((resolve) => {
      isComplete = resolve;
    });
    this.#connection = new SpdyConnection(socket, (stream) => {
      const channel = CHANNELS[stream.headers["streamtype"] ?? ""];
      if (channel === undefined || !expected.includes(channel) || this.#streams.has(channel)) {
        stream.reset(RST.refusedStream);
        return;
      }
      this.#streams.set(channel, stream);
      void stream.accept();
      if (expected.every((one) => this.#streams.has(one))) isComplete();
    });
    this.closed = this.#connection.closed;
  }

  async *read(channel: number): AsyncIterableIterator<Uint8Array> {
    yield* this.#streams.get(channel)?.read() ?? [];
  }

  async write(channel: number, data: Uint8Array): Promise<void> {
    await this.#streams.get(channel)?.write(data);
  }

  closeChannel(channel: number): void {
    void this.#streams.get(channel)?.end();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#streams.values()].map((stream) => stream.end()));
    await this.#connection.close();
  }
}
