import type { Cancel, Runtime } from "../../shared/runtime/runtime.ts";

/** A Runtime whose time passes only by `advance`; ids and randomness count upwards. */
export class ManualRuntime implements Runtime {
  #now: number;
  #count = 0;
  #timers: { at: number; run: () => void; period?: number }[] = [];

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }

  readonly clock = { now: () => this.#now, monotonic: () => this.#now };
  readonly timers = {
    after: (ms: number, run: () => void): Cancel => this.#add({ at: this.#now + ms, run }),
    every: (ms: number, run: () => void): Cancel =>
      this.#add({ at: this.#now + ms, run, period: ms }),
    sleep: (ms: number): Promise<void> =>
      new Promise((resolve) => void this.timers.after(ms, resolve)),
  };
  readonly random = {
    stream: () => ({
      next: () => (++this.#count % 1000) / 1000,
      integer: (below: number) => ++this.#count % below,
      bytes: (length: number) => Uint8Array.from({ length }, () => ++this.#count % 256),
    }),
  };
  readonly ids = {
    ulid: () => String(++this.#count).padStart(26, "0"),
    uuid: () => `00000000-0000-4000-8000-${String(++this.#count).padStart(12, "0")}`,
  };

  /** Lets the time pass, running the timers that fall due in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next.at);
      if (next.period === undefined) this.#timers = this.#timers.filter((one) => one !== next);
      else next.at += next.period;
      next.run();
    }
    this.#now = end;
  }

  get pending(): number {
    return this.#timers.length;
  }

  #add(timer: { at: number; run: () => void; period?: number }): Cancel {
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }
}
