import type { WebSocket } from "ws";
import { CLOSE } from "../../../shared/streams/channels.ts";
import { type ClientChannels, Inbox } from "./client.ts";

/**
 * A remote command over WebSocket: every binary message is a channel's number and its bytes. From
 * version 5 on the client closes a channel by a message on channel 255 with that channel's number.
 */
export class WebSocketChannels implements ClientChannels {
  readonly closed: Promise<void>;
  readonly #socket: WebSocket;
  readonly #inbox: Inbox;

  constructor(socket: WebSocket, closable: boolean) {
    this.#socket = socket;
    const inbox = new Inbox({ pause: () => socket.pause(), resume: () => socket.resume() });
    this.#inbox = inbox;
    socket.on("message", (message: Buffer) => {
      const [channel] = message;
      if (channel === undefined) return;
      if (channel !== CLOSE) inbox.push(channel, message.subarray(1));
      else if (closable && message.length === 2) inbox.finish(message[1] ?? CLOSE);
    });
    socket.on("error", () => socket.terminate());
    this.closed = new Promise((resolve) => {
      socket.on("close", () => {
        inbox.finishAll();
        resolve();
      });
    });
  }

  read(channel: number): AsyncIterableIterator<Uint8Array> {
    return this.#inbox.read(channel);
  }

  write(channel: number, data: Uint8Array): Promise<void> {
    return sendTo(this.#socket, Buffer.concat([Buffer.from([channel]), data]));
  }

  /** The protocol lets only the client close channels. */
  closeChannel(): void {}

  async close(): Promise<void> {
    this.#socket.close(1000);
  }
}

/** Sends a binary message; resolves when the connection takes more. */
export function sendTo(socket: WebSocket, message: Buffer): Promise<void> {
  if (socket.readyState !== socket.OPEN) return Promise.resolve();
  return new Promise((resolve) => socket.send(message, { binary: true }, () => resolve()));
}
