import type { Clock, Runtime } from "../../../shared/runtime/runtime.ts";

/**
 * The clock of a past moment: stands still until it is started, then runs at a speed of its own,
 * and never into the future.
 */
export class PastClock implements Clock {
  readonly #real: Clock;
  readonly #moment: number;
  readonly #speed: number;
  #started: number | undefined;

  /** `moment`: milliseconds since the Unix epoch. `speed` 0: it never runs. */
  constructor(real: Clock, moment: number, speed: number) {
    this.#real = real;
    this.#moment = moment;
    this.#speed = speed;
  }

  get runs(): boolean {
    return this.#started !== undefined && this.#speed > 0;
  }

  start(): void {
    this.#started ??= this.#real.monotonic();
  }

  now(): number {
    if (this.#started === undefined || !this.runs) return this.#moment;
    const passed = (this.#real.monotonic() - this.#started) * this.#speed;
    return Math.min(Math.floor(this.#moment + passed), this.#real.now());
  }

  monotonic(): number {
    return this.#real.monotonic();
  }

  /** How long until it shows the time, in real milliseconds; Infinity while it stands still. */
  until(time: number): number {
    return this.runs ? Math.max(0, (time - this.now()) / this.#speed) : Number.POSITIVE_INFINITY;
  }
}

/** The runtime with another clock. */
export function withClock(runtime: Runtime, clock: Clock): Runtime {
  const { timers, random, ids } = runtime;
  return { clock, timers, random, ids };
}
