import type { ChildProcess } from "node:child_process";
import {
  type Bus,
  type BusMessage,
  NoResponderError,
  RequestTimeoutError,
  type Subscription,
} from "../../shared/actor/bus.ts";

/** A bus between a test and its child process, over the channel that Node makes between the two. */
type FromChild =
  | { type: "publish"; subject: string; data: Uint8Array; reply?: string }
  | { type: "subscribe"; id: number; pattern: string; queue?: string }
  | { type: "stop"; id: number }
  | { type: "request"; id: number; subject: string; data: Uint8Array; timeoutMs: number };

type ToChild =
  | { type: "message"; id: number; subject: string; data: Uint8Array; reply?: string }
  | { type: "answer"; id: number; data?: Uint8Array; error?: "none" | "timeout" };

/** The test's end: the child's messages go to the bus, and back. */
export function serveBusToChild(child: ChildProcess, bus: Bus): void {
  const subscriptions = new Map<number, Subscription>();
  const send = (message: ToChild): void => {
    // A child that was just killed takes no message any more: that is what these tests are about.
    if (child.connected) child.send(message, () => {});
  };
  child.on("message", (message) => {
    const asked = message as FromChild;
    if (asked.type === "publish") {
      bus.publish(asked.subject, asked.data, asked.reply ? { reply: asked.reply } : {});
    } else if (asked.type === "subscribe") {
      const take = ({ subject, data, reply }: BusMessage): void =>
        send({ type: "message", id: asked.id, subject, data, ...(reply ? { reply } : {}) });
      const options = asked.queue ? { queue: asked.queue } : {};
      subscriptions.set(asked.id, bus.subscribe(asked.pattern, take, options));
    } else if (asked.type === "stop") {
      subscriptions.get(asked.id)?.stop();
      subscriptions.delete(asked.id);
    } else {
      bus.request(asked.subject, asked.data, asked.timeoutMs).then(
        ({ data }) => send({ type: "answer", id: asked.id, data }),
        (error: unknown) => {
          const cause = error instanceof NoResponderError ? "none" : "timeout";
          send({ type: "answer", id: asked.id, error: cause });
        },
      );
    }
  });
  child.once("exit", () => {
    for (const subscription of subscriptions.values()) subscription.stop();
  });
}

/** The child's end. */
export class ChildBus implements Bus {
  readonly connected = true;
  readonly #name: string;
  readonly #handlers = new Map<number, (message: BusMessage) => void>();
  readonly #answers = new Map<number, (answer: ToChild & { type: "answer" }) => void>();
  #ids = 0;

  /** `name` keeps the inboxes of different lives apart. */
  constructor(name: string) {
    this.#name = name;
    process.on("message", (message) => this.#take(message as ToChild));
  }

  publish(subject: string, data: Uint8Array, options: { reply?: string } = {}): void {
    this.#send({ type: "publish", subject, data, ...options });
  }

  subscribe(
    pattern: string,
    handler: (message: BusMessage) => void,
    options: { queue?: string } = {},
  ): Subscription {
    const id = ++this.#ids;
    this.#handlers.set(id, handler);
    this.#send({ type: "subscribe", id, pattern, ...options });
    return {
      stop: () => {
        this.#handlers.delete(id);
        this.#send({ type: "stop", id });
      },
    };
  }

  request(subject: string, data: Uint8Array, timeoutMs: number): Promise<BusMessage> {
    const id = ++this.#ids;
    this.#send({ type: "request", id, subject, data, timeoutMs });
    return new Promise((resolve, reject) => {
      this.#answers.set(id, ({ data: answer, error }) => {
        this.#answers.delete(id);
        if (answer) resolve({ subject, data: answer, respond: () => undefined });
        else if (error === "none") reject(new NoResponderError(subject));
        else reject(new RequestTimeoutError(subject));
      });
    });
  }

  inbox(): string {
    return `_INBOX.${this.#name}.${++this.#ids}`;
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  onStatus(): Subscription {
    return { stop: () => undefined };
  }

  #send(message: FromChild): void {
    process.send?.(message);
  }

  #take(message: ToChild): void {
    if (message.type === "answer") {
      this.#answers.get(message.id)?.(message);
      return;
    }
    const { id, subject, data, reply } = message;
    this.#handlers.get(id)?.({
      subject,
      data,
      ...(reply ? { reply } : {}),
      respond: (answer) => {
        if (reply) this.publish(reply, answer);
      },
    });
  }
}
