import { createInbox, type Msg, nuid, type Subscription } from "nats";
import type { Revision } from "../shared/store/store.ts";
import type { Connection } from "./connect.ts";
import { Deliveries } from "./deliveries.ts";
import { Headers } from "./headers.ts";
import type { Requests } from "./requests.ts";

/** A message as a consumer delivers it. */
export interface Delivered {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: Headers;
  readonly sequence: Revision;
  /** When the stream took it, milliseconds since the Unix epoch. */
  readonly time: number;
}

export interface ConsumerOptions {
  readonly stream: string;
  readonly filter: string;
  /**
   * `last`: the last message of each subject, then all that follow. Or all from a sequence on, or
   * from a moment on, in milliseconds since the Unix epoch.
   */
  readonly from: "last" | Revision | { readonly time: number };
  readonly headersOnly?: boolean;
}

export interface ConsumerHandler {
  /** How many messages were in the stream for this consumer when it began; called first. */
  started(pending: number): void;
  message(delivered: Delivered): void;
  /** Something was missed or the server is silent; the consumer is closed. */
  lost(error: Error): void;
}

const HEARTBEAT_MS = 1_000;
/** A server that restarts or a consumer without listener: gone after this long. */
const INACTIVE_MS = 10_000;

interface CreateAnswer {
  readonly num_pending: number;
}

/** One event loop, one queue: consumers share what they may take of a turn. */
const deliveries = new Deliveries<Msg>();

/**
 * One ordered consumer: messages are pushed by the server in stream order, paced by its flow
 * control; anything that goes missing is noticed. It is not resumed: whoever uses it begins a new
 * one behind what was delivered.
 */
export class Consumer {
  readonly #connection: Connection;
  readonly #requests: Requests;
  readonly #options: ConsumerOptions;
  readonly #handler: ConsumerHandler;
  readonly #name = `cox-${nuid.next()}`;
  readonly #receiver = { take: (message: Msg): void => this.#take(message) };
  #subscription: Subscription | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #heard = 0;
  #delivered = 0;
  #started = false;
  #early: Msg[] = [];
  #closed = false;

  constructor(
    connection: Connection,
    requests: Requests,
    options: ConsumerOptions,
    handler: ConsumerHandler,
  ) {
    this.#connection = connection;
    this.#requests = requests;
    this.#options = options;
    this.#handler = handler;
  }

  /** @throws when the server does not create it. */
  async start(): Promise<void> {
    const inbox = createInbox(this.#connection.inboxPrefix);
    this.#subscription = this.#connection.nats.subscribe(inbox, {
      callback: (error, message) => {
        if (error) this.#lose(error);
        else this.#arrived(message);
      },
    });
    const { stream } = this.#options;
    try {
      const answer = await this.#requests.api<CreateAnswer>(
        `CONSUMER.CREATE.${stream}.${this.#name}`,
        { stream_name: stream, action: "create", config: this.#config(inbox) },
      );
      if (this.#closed) return;
      this.#heard = performance.now();
      this.#watchdog = setInterval(() => this.#watch(), HEARTBEAT_MS);
      this.#handler.started(answer.num_pending);
      this.#started = true;
      const early = this.#early;
      this.#early = [];
      for (const message of early) deliveries.offer(this.#receiver, message);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#watchdog);
    const { nats, connected } = this.#connection;
    if (nats.isClosed()) return;
    this.#subscription?.unsubscribe();
    if (!connected) return;
    nats.publish(`$JS.API.CONSUMER.DELETE.${this.#options.stream}.${this.#name}`);
  }

  #config(inbox: string): Record<string, unknown> {
    const { from, filter, headersOnly } = this.#options;
    return {
      name: this.#name,
      deliver_subject: inbox,
      ...startOf(from),
      filter_subject: filter,
      ack_policy: "none",
      max_deliver: 1,
      replay_policy: "instant",
      flow_control: true,
      idle_heartbeat: HEARTBEAT_MS * 1e6,
      inactive_threshold: INACTIVE_MS * 1e6,
      mem_storage: true,
      num_replicas: 1,
      ...(headersOnly ? { headers_only: true } : {}),
    };
  }

  #arrived(message: Msg): void {
    if (this.#closed) return;
    this.#heard = performance.now();
    if (this.#started) deliveries.offer(this.#receiver, message);
    else this.#early.push(message);
  }

  /** In its turn; so the server learns that this side keeps up when it does, not before. */
  #take(message: Msg): void {
    if (this.#closed) return;
    const { subject, data } = message;
    const headers = new Headers(message);
    if (data.length === 0 && headers.status === 100) {
      this.#control(message, headers);
      return;
    }
    const place = placeOf(message.reply ?? "");
    if (!place) return;
    this.#delivered += 1;
    if (place.delivery !== this.#delivered) {
      this.#lose(new Error(`delivery ${this.#delivered} is missing`));
      return;
    }
    const { sequence, time } = place;
    this.#handler.message({ subject, data, headers, sequence, time });
  }

  /** Heartbeats and questions whether this side keeps up. */
  #control(message: Msg, headers: Headers): void {
    const stalled = headers.get("Nats-Consumer-Stalled");
    if (message.reply) message.respond();
    else if (stalled) this.#connection.nats.publish(stalled);
    const last = headers.get("Nats-Last-Consumer");
    if (last && Number(last) !== this.#delivered) {
      this.#lose(new Error(`deliveries after ${this.#delivered} are missing`));
    }
  }

  #watch(): void {
    const silent = performance.now() - this.#heard;
    if (silent > 2.5 * HEARTBEAT_MS) this.#lose(new Error("the consumer is silent"));
  }

  #lose(error: Error): void {
    if (this.#closed) return;
    this.close();
    this.#handler.lost(error);
  }
}

function startOf(from: ConsumerOptions["from"]): Record<string, unknown> {
  if (from === "last") return { deliver_policy: "last_per_subject" };
  if (typeof from === "number") {
    return { deliver_policy: "by_start_sequence", opt_start_seq: from };
  }
  const opt_start_time = new Date(from.time).toISOString();
  return { deliver_policy: "by_start_time", opt_start_time };
}

/** Where the dots of a reply subject are; one for all, since each is read at once. */
const dots = new Array<number>(16);

/**
 * Reads `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<delivery>.<nanoseconds>.<pending>`;
 * newer servers may put a domain and an account before the stream, and a token at the end.
 */
function placeOf(
  reply: string,
): { sequence: Revision; delivery: number; time: number } | undefined {
  if (!reply.startsWith("$JS.ACK.")) return undefined;
  let count = 0;
  for (let at = reply.indexOf("."); at >= 0; at = reply.indexOf(".", at + 1)) dots[count++] = at;
  const skipped = count >= 10 ? 2 : 0;
  if (count < 8 + skipped || count > dots.length) return undefined;
  const token = (index: number): string =>
    reply.slice((dots[index + skipped - 1] as number) + 1, dots[index + skipped]);
  const [sequence, delivery, nanoseconds] = [token(5), token(6), token(7)];
  return {
    sequence: Number(sequence),
    delivery: Number(delivery),
    time: Number(nanoseconds.slice(0, -6)),
  };
}
