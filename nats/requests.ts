import { createInbox, type Msg, type MsgHdrs, type Subscription } from "nats";
import type { Connection } from "./connect.ts";
import { statusOf } from "./headers.ts";

/** The connection broke, or was broken; whether the request arrived is not known. */
export class DisconnectedError extends Error {
  constructor() {
    super("the connection to the bus broke");
    this.name = new.target.name;
  }
}

/** Nobody serves the subject, so the request was not taken. */
export class NobodyThereError extends Error {
  constructor(subject: string) {
    super(`nobody serves ${subject}`);
    this.name = new.target.name;
  }
}

/** No answer in time; whether the request arrived is not known. */
export class NoAnswerError extends Error {
  constructor(subject: string, timeoutMs: number) {
    super(`no answer on ${subject} within ${timeoutMs} ms`);
    this.name = new.target.name;
  }
}

/** True when a request failed because no server answers, which passes. */
export function isAway(error: unknown): boolean {
  return (
    error instanceof DisconnectedError ||
    error instanceof NobodyThereError ||
    error instanceof NoAnswerError
  );
}

/** JetStream refused a request; nothing was done. */
export class ApiError extends Error {
  readonly code: number;
  /** JetStream's own number, e.g. 10071: wrong last sequence. */
  readonly errorCode: number;
  constructor(error: ApiErrorBody) {
    super(error.description ?? `JetStream error ${error.err_code ?? error.code ?? "?"}`);
    this.name = new.target.name;
    this.code = error.code ?? 500;
    this.errorCode = error.err_code ?? 0;
  }
}

export interface ApiErrorBody {
  readonly code?: number;
  readonly err_code?: number;
  readonly description?: string;
}

interface Waiting {
  /** True: this was the last answer. */
  readonly take: (message: Msg) => boolean;
  readonly fail: (error: Error) => void;
}

/**
 * Requests over one connection that fail at once when it breaks, instead of by timeout: the store
 * has to find out what became of a write while its caller still waits.
 */
export class Requests {
  readonly #connection: Connection;
  readonly #inbox: string;
  readonly #subscription: Subscription;
  readonly #waiting = new Map<string, Waiting>();
  readonly #stopStatus: () => void;
  #next = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#inbox = createInbox(connection.inboxPrefix);
    this.#subscription = connection.nats.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (!error) this.#take(message);
      },
    });
    this.#stopStatus = connection.onStatus((connected) => {
      if (!connected) this.#failAll();
    });
  }

  close(): void {
    this.#stopStatus();
    this.#failAll();
    if (!this.#connection.nats.isClosed()) this.#subscription.unsubscribe();
  }

  /** @throws DisconnectedError, NobodyThereError, NoAnswerError */
  request(
    subject: string,
    data: Uint8Array | string,
    options: { timeoutMs: number; headers?: MsgHdrs },
  ): Promise<Msg> {
    return new Promise((resolve, reject) => {
      const take = (message: Msg): boolean => {
        if (isNobody(message)) reject(new NobodyThereError(subject));
        else resolve(message);
        return true;
      };
      this.#send(subject, data, options, { take, fail: reject });
    });
  }

  /** Collects answers until `last` says so of one (which is not kept). */
  requestMany(
    subject: string,
    data: Uint8Array | string,
    options: { timeoutMs: number; last: (message: Msg) => boolean },
  ): Promise<Msg[]> {
    return new Promise((resolve, reject) => {
      const messages: Msg[] = [];
      const take = (message: Msg): boolean => {
        if (isNobody(message)) reject(new NobodyThereError(subject));
        else if (options.last(message)) resolve(messages);
        else {
          messages.push(message);
          return false;
        }
        return true;
      };
      this.#send(subject, data, options, { take, fail: reject });
    });
  }

  /** A request of JetStream's API. @throws ApiError and what `request` throws. */
  async api<Answer>(subject: string, body: unknown, timeoutMs = 5_000): Promise<Answer> {
    const data = body === undefined ? "" : JSON.stringify(body);
    const message = await this.request(`$JS.API.${subject}`, data, { timeoutMs });
    const answer = JSON.parse(Buffer.from(message.data).toString()) as { error?: ApiErrorBody };
    if (answer.error) throw new ApiError(answer.error);
    return answer as Answer;
  }

  #send(
    subject: string,
    data: Uint8Array | string,
    options: { timeoutMs: number; headers?: MsgHdrs },
    waiting: Waiting,
  ): void {
    if (!this.#connection.connected) {
      waiting.fail(new DisconnectedError());
      return;
    }
    this.#next += 1;
    const token = this.#next.toString(36);
    const timer = setTimeout(() => {
      this.#waiting.delete(token);
      waiting.fail(new NoAnswerError(subject, options.timeoutMs));
    }, options.timeoutMs);
    this.#waiting.set(token, {
      take: (message) => {
        const last = waiting.take(message);
        if (last) clearTimeout(timer);
        return last;
      },
      fail: (error) => {
        clearTimeout(timer);
        waiting.fail(error);
      },
    });
    const publishOptions = { reply: `${this.#inbox}.${token}` };
    try {
      this.#connection.nats.publish(
        subject,
        data,
        options.headers ? { ...publishOptions, headers: options.headers } : publishOptions,
      );
    } catch (error) {
      clearTimeout(timer);
      this.#waiting.delete(token);
      waiting.fail(error as Error);
    }
  }

  #take(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length + 1);
    const waiting = this.#waiting.get(token);
    if (waiting?.take(message)) this.#waiting.delete(token);
  }

  #failAll(): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const each of waiting) each.fail(new DisconnectedError());
  }
}

function isNobody(message: Msg): boolean {
  return statusOf(message) === 503;
}
