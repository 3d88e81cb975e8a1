import { createInbox, ErrorCode, type Msg, NatsError } from "nats";
import {
  type Bus,
  BusError,
  type BusMessage,
  NoResponderError,
  RequestTimeoutError,
  type Subscription,
} from "../shared/actor/bus.ts";
import type { Connection } from "./connect.ts";
import { DisconnectedError, NoAnswerError, NobodyThereError, Requests } from "./requests.ts";

/** The bus over NATS' core subjects. */
export class NatsBus implements Bus {
  readonly #connection: Connection;
  readonly #requests: Requests;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#requests = new Requests(connection);
  }

  publish(subject: string, data: Uint8Array, options?: { reply?: string }): void {
    // What is said while the connection is down is lost, as between any two processes; kept, it
    // would arrive late and all at once.
    if (!this.#connection.connected) return;
    this.#connection.nats.publish(subject, data, options?.reply ? { reply: options.reply } : {});
  }

  subscribe(
    pattern: string,
    handler: (message: BusMessage) => void,
    options?: { queue?: string },
  ): Subscription {
    const subscription = this.#connection.nats.subscribe(pattern, {
      ...(options?.queue ? { queue: options.queue } : {}),
      callback: (error, message) => {
        if (!error) handler(busMessage(message));
      },
    });
    return { stop: () => subscription.unsubscribe() };
  }

  async request(subject: string, data: Uint8Array, timeoutMs: number): Promise<BusMessage> {
    try {
      return busMessage(await this.#requests.request(subject, data, { timeoutMs }));
    } catch (error) {
      throw requestError(error, subject);
    }
  }

  inbox(): string {
    return createInbox(this.#connection.inboxPrefix);
  }

  async flush(): Promise<void> {
    try {
      await this.#connection.nats.flush();
    } catch (error) {
      throw new BusError("the bus cannot be reached", { cause: error });
    }
  }

  get connected(): boolean {
    return this.#connection.connected;
  }

  onStatus(listener: (connected: boolean) => void): Subscription {
    return { stop: this.#connection.onStatus(listener) };
  }
}

function busMessage(message: Msg): BusMessage {
  const { subject, data, reply } = message;
  return {
    subject,
    data,
    ...(reply ? { reply } : {}),
    respond: (answer) => {
      message.respond(answer);
    },
  };
}

function requestError(error: unknown, subject: string): Error {
  if (error instanceof NobodyThereError) return new NoResponderError(error.message);
  if (error instanceof NoAnswerError) return new RequestTimeoutError(error.message);
  if (error instanceof DisconnectedError) return new BusError(error.message, { cause: error });
  if (error instanceof NatsError && error.code === ErrorCode.ConnectionClosed) {
    return new BusError("the connection to the bus is closed", { cause: error });
  }
  return new BusError(`request on ${subject}: ${(error as Error).message}`, { cause: error });
}
