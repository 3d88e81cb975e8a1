import { IncomingChannel } from "../../../shared/streams/channels.ts";

/**
 * The client's end of a remote command, whatever protocol it speaks. Channels are numbered as those
 * of a node stream.
 */
export interface ClientChannels {
  /** What the client sends on a channel, until it closes the channel or is gone. */
  read(channel: number): AsyncIterableIterator<Uint8Array>;
  /** Resolves when the client takes more. Does nothing once it is gone. */
  write(channel: number, data: Uint8Array): Promise<void>;
  /** Nothing more will be written to the channel. */
  closeChannel(channel: number): void;
  /** Ends the connection behind what was written. */
  close(): Promise<void>;
  /** Resolves when the client is gone. */
  readonly closed: Promise<void>;
}

/** Bytes of all channels that may wait before the client is no longer read. */
const UNREAD_BYTES_MAX = 1024 * 1024;

/** What has arrived from a client and waits for readers, with a say in when to stop reading. */
export class Inbox {
  readonly #channels = new Map<number, IncomingChannel>();
  readonly #pause: () => void;
  readonly #resume: () => void;
  #unread = 0;
  #paused = false;
  #over = false;

  constructor(flow: { pause: () => void; resume: () => void }) {
    this.#pause = flow.pause;
    this.#resume = flow.resume;
  }

  push(channel: number, data: Uint8Array): void {
    this.#unread += data.length;
    this.#channel(channel).push(data, Number.POSITIVE_INFINITY);
    if (this.#unread <= UNREAD_BYTES_MAX || this.#paused) return;
    this.#paused = true;
    this.#pause();
  }

  finish(channel: number): void {
    this.#channel(channel).finish();
  }

  finishAll(): void {
    this.#over = true;
    for (const channel of this.#channels.values()) channel.finish();
  }

  async *read(number: number): AsyncIterableIterator<Uint8Array> {
    const channel = this.#channel(number);
    for (;;) {
      const chunk = channel.shift();
      if (chunk !== undefined) {
        this.#unread -= chunk.length;
        if (this.#paused && this.#unread <= UNREAD_BYTES_MAX / 2) {
          this.#paused = false;
          this.#resume();
        }
        yield chunk;
      } else if (channel.finished) return;
      else await channel.arrival();
    }
  }

  #channel(number: number): IncomingChannel {
    let channel = this.#channels.get(number);
    if (channel === undefined) {
      channel = new IncomingChannel();
      if (this.#over) channel.finish();
      this.#channels.set(number, channel);
    }
    return channel;
  }
}
