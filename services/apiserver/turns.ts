import type { Runtime } from "../../shared/runtime/runtime.ts";
import type { Freshness } from "./freshness.ts";

/** When so much of a turn of the event loop has passed, nothing else is begun in it. */
const TURN_MS_MAX = 3;

/**
 * Work that actors have in hundreds, in the order of arrival, some milliseconds in each turn of the
 * event loop: whatever else has arrived is served between two turns, so that people do not wait
 * behind all of it. What was committed here is looked at first: decisions pile up no faster than
 * they can be shown, and reads wait for little.
 */
export class Turns {
  readonly #runtime: Runtime;
  readonly #freshness: Pick<Freshness, "own">;
  readonly #waiting: (() => void)[] = [];
  #due = false;
  #ends = 0;

  constructor(runtime: Runtime, freshness: Pick<Freshness, "own">) {
    this.#runtime = runtime;
    this.#freshness = freshness;
  }

  /** Runs it in a later turn. */
  push(begin: () => void): void {
    this.#waiting.push(begin);
    this.#beginSoon();
  }

  /** Resolves in a turn that has time left, before what has not been begun. */
  rest(): Promise<void> | undefined {
    if (this.#runtime.clock.monotonic() < this.#ends) return undefined;
    return new Promise((resolve) => {
      this.#waiting.unshift(resolve);
      this.#beginSoon();
    });
  }

  /** Begins all that waits. */
  flush(): void {
    while (this.#waiting.length > 0) for (const begin of this.#waiting.splice(0)) begin();
  }

  #beginSoon(): void {
    if (this.#due) return;
    this.#due = true;
    this.#runtime.timers.after(0, () => void this.#turn());
  }

  async #turn(): Promise<void> {
    await this.#freshness.own();
    const { clock } = this.#runtime;
    this.#ends = clock.monotonic() + TURN_MS_MAX;
    while (this.#waiting.length > 0 && clock.monotonic() < this.#ends) {
      this.#waiting.shift()?.();
      // A promise that was resolved goes on before the next is begun.
      await undefined;
    }
    this.#due = false;
    if (this.#waiting.length > 0) this.#beginSoon();
  }
}
