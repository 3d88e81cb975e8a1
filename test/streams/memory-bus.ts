import {
  type Bus,
  type BusMessage,
  NoResponderError,
  RequestTimeoutError,
  type Subscription,
} from "../../shared/actor/bus.ts";

interface Subscriber {
  readonly pattern: readonly string[];
  readonly queue: string | undefined;
  readonly handler: (message: BusMessage) => void;
}

/** A Bus within one process: in order, in a later microtask, losing what `lose` matches. */
export class MemoryBus implements Bus {
  readonly connected = true;
  /** Messages for which it answers true are lost. */
  lose: (subject: string, data: Uint8Array) => boolean = () => false;
  readonly #subscribers = new Set<Subscriber>();
  #inboxes = 0;

  publish(subject: string, data: Uint8Array, options: { reply?: string } = {}): void {
    if (this.lose(subject, data)) return;
    const copy = Uint8Array.from(data);
    for (const subscriber of this.#receivers(subject)) {
      queueMicrotask(() => {
        if (!this.#subscribers.has(subscriber)) return;
        subscriber.handler({
          subject,
          data: copy,
          ...(options.reply === undefined ? {} : { reply: options.reply }),
          respond: (answer) => {
            if (options.reply !== undefined) this.publish(options.reply, answer);
          },
        });
      });
    }
  }

  subscribe(
    pattern: string,
    handler: (message: BusMessage) => void,
    options: { queue?: string } = {},
  ): Subscription {
    const subscriber = { pattern: pattern.split("."), queue: options.queue, handler };
    this.#subscribers.add(subscriber);
    return { stop: () => void this.#subscribers.delete(subscriber) };
  }

  request(subject: string, data: Uint8Array, timeoutMs: number): Promise<BusMessage> {
    if (this.#receivers(subject).length === 0) {
      return Promise.reject(new NoResponderError(`no responder on ${subject}`));
    }
    const reply = this.inbox();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        subscription.stop();
        reject(new RequestTimeoutError(`no answer on ${subject}`));
      }, timeoutMs);
      const subscription = this.subscribe(reply, (message) => {
        clearTimeout(timer);
        subscription.stop();
        resolve(message);
      });
      this.publish(subject, data, { reply });
    });
  }

  inbox(): string {
    return `_INBOX.${++this.#inboxes}`;
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  onStatus(): Subscription {
    return { stop() {} };
  }

  #receivers(subject: string): Subscriber[] {
    const tokens = subject.split(".");
    const queues = new Set<string>();
    return [...this.#subscribers].filter(({ pattern, queue }) => {
      if (!matches(pattern, tokens)) return false;
      if (queue === undefined) return true;
      if (queues.has(queue)) return false;
      queues.add(queue);
      return true;
    });
  }
}

function matches(pattern: readonly string[], tokens: readonly string[]): boolean {
  for (const [index, token] of pattern.entries()) {
    if (token === ">") return tokens.length > index;
    if (token !== "*" && token !== tokens[index]) return false;
  }
  return pattern.length === tokens.length;
}
