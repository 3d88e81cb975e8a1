import type { Revision } from "../shared/store/store.ts";
import type { Log } from "./log.ts";
import { ApiError, type ApiErrorBody } from "./requests.ts";

const ANSWER_MS = 5_000;

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
  #asking: Promise<Revision> | undefined;
  #next: Promise<Revision> | undefined;

  constructor(log: Log, replicas: number) {
    this.#log = log;
    this.#replicas = replicas;
  }

  /** The last revision at some moment after the call. */
  head(): Promise<Revision> {
    this.#next ??= this.#askNext();
    return this.#next;
  }

  async #askNext(): Promise<Revision> {
    await this.#asking?.catch(() => 0);
    // Everybody who comes in the same turn of the event loop takes part: under load a question
    // costs the server about as much as all else that a read needs.
    await new Promise((resolve) => setImmediate(resolve));
    this.#next = undefined;
    const asking = this.#replicas > 1 ? this.#publish() : this.#log.head();
    this.#asking = asking;
    return asking;
  }

  async #publish(): Promise<Revision> {
    const subject = `$KV.${this.#log.name}.barrier`;
    const answer = await this.#log.requests.request(subject, "", { timeoutMs: ANSWER_MS });
    const { seq, error } = JSON.parse(Buffer.from(answer.data).toString()) as {
      seq: Revision;
      error?: ApiErrorBody;
    };
    if (error) throw new ApiError(error);
    return seq;
  }
}
