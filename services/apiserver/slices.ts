import type { Runtime } from "../../shared/runtime/runtime.ts";

/** When so much of a turn of the event loop has passed, no further step is taken in it. */
const TURN_MS_MAX = 4;

/** A part of long work, well under a millisecond of it. True: there is more to be done. */
export type Step = () => boolean;

/**
 * Work over thousands of objects, in steps: all of it together takes some milliseconds of each turn
 * of the event loop, and whatever else has arrived is served in between. Each piece of work has one
 * step in turn, so that a short one does not wait for a long one.
 */
export class Slices {
  readonly #runtime: Runtime;
  readonly #waiting: Step[] = [];
  #due = false;
  /** When the steps that did not wait have taken long enough. */
  #ends: number | undefined;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /**
   * Whether steps may still be taken in this turn, by those who would rather not wait. The turn
   * begins when this is first asked.
   */
  hasTime(): boolean {
    const now = this.#runtime.clock.monotonic();
    if (this.#ends === undefined) {
      this.#ends = now + TURN_MS_MAX;
      this.#runtime.timers.after(0, () => {
        this.#ends = undefined;
      });
    }
    return now < this.#ends;
  }

  /** Takes the steps in later turns, until there is no more. A step must not throw. */
  add(step: Step): void {
    this.#waiting.push(step);
    this.#goOnSoon();
  }

  /** Takes the steps; resolves after the last one, rejects with what one throws. */
  finish(step: Step): Promise<void> {
    return new Promise((resolve, reject) => {
      this.add(() => {
        try {
          if (step()) return true;
          resolve();
        } catch (error) {
          reject(error);
        }
        return false;
      });
    });
  }

  #goOnSoon(): void {
    if (this.#due) return;
    this.#due = true;
    this.#runtime.timers.after(0, () => this.#turn());
  }

  #turn(): void {
    const { clock } = this.#runtime;
    const ends = clock.monotonic() + TURN_MS_MAX;
    do {
      const step = this.#waiting.shift();
      if (step?.()) this.#waiting.push(step);
    } while (this.#waiting.length > 0 && clock.monotonic() < ends);
    this.#due = false;
    if (this.#waiting.length > 0) this.#goOnSoon();
  }
}
