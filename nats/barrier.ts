import type { MsgHdrs } from "nats";
import type { Revision } from "../shared/store/store.ts";
import { headersOf } from "./headers.ts";
import type { Log } from "./log.ts";
import { lull } from "./lull.ts";
import { ApiError, type ApiErrorBody } from "./requests.ts";

const ANSWER_MS = 5_000;
/** How long a busy process gathers readers for one question at most. */
const GATHER_MS = 1;
const WRONG_LAST_SEQUENCE = 10071;
/** No stream ever ends there; the refusal says where it does. */
const IMPOSSIBLE = ["Nats-Expected-Last-Sequence", String(Number.MAX_SAFE_INTEGER)] as const;

/**
 * Asks the log for its end: one question at a time, and one for all who began to wait before it was
 * asked (DESIGN D6).
 *
 * With one server its own word is enough. With several, a leader that was cut off would answer from
 * the past; only a message that a majority took proves the end. It lies in the log beside the keys
 * and goes with the next compaction.
 */
export class Barrier {
  readonly #log: Log;
  readonly #replicas: number;
  readonly #readOnly: boolean;
  readonly #isBusy: () => boolean;
  #asking: Promise<Revision> | undefined;
  #next: Promise<Revision> | undefined;
  /** Who share the question that is asked next. */
  #readers = 0;
  #areMany = false;

  constructor(log: Log, options: BarrierOptions) {
    this.#log = log;
    this.#replicas = options.replicas;
    this.#readOnly = options.readOnly;
    this.#isBusy = options.isBusy;
  }

  /** The last revision at some moment after the call. */
  head(): Promise<Revision> {
    this.#next ??= this.#askNext();
    this.#readers += 1;
    return this.#next;
  }

  async #askNext(): Promise<Revision> {
    await this.#asking?.catch(() => 0);
    // A question costs about as much as all else that a read needs; a single reader does not wait.
    if (this.#areMany) await lull(GATHER_MS);
    this.#areMany = this.#readers > 1;
    this.#readers = 0;
    this.#next = undefined;
    const asking = this.#ask();
    this.#asking = asking;
    return asking;
  }

  #ask(): Promise<Revision> {
    if (this.#replicas > 1) return this.#publish();
    return this.#readOnly || this.#isBusy() ? this.#log.head() : this.#publishInVain();
  }

  async #publish(): Promise<Revision> {
    const { seq, error } = await this.#send();
    if (error) throw new ApiError(error);
    return seq;
  }

  /**
   * A message that the stream must refuse, which costs it less than to describe itself. But it has
   * to wait behind the batches that the stream is busy with; the description does not.
   */
  async #publishInVain(): Promise<Revision> {
    const { error } = await this.#send(headersOf([IMPOSSIBLE]));
    const found = /\d+$/.exec(error?.description ?? "");
    if (error?.err_code !== WRONG_LAST_SEQUENCE || !found) return this.#log.head();
    return Number(found[0]);
  }

  async #send(headers?: MsgHdrs): Promise<PublishAck> {
    const subject = `$KV.${this.#log.name}.barrier`;
    const options = { timeoutMs: ANSWER_MS, ...(headers ? { headers } : {}) };
    const answer = await this.#log.requests.request(subject, "", options);
    return JSON.parse(Buffer.from(answer.data).toString()) as PublishAck;
  }
}

export interface BarrierOptions {
  readonly replicas: number;
  /** The user may not publish. */
  readonly readOnly: boolean;
  /** Batches are under way. */
  readonly isBusy: () => boolean;
}

interface PublishAck {
  readonly seq: Revision;
  readonly error?: ApiErrorBody;
}
