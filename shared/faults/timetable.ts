import type { Cancel, RandomStream, Timers } from "../runtime/runtime.ts";
import type { Range } from "./duration.ts";
import { type Faults, LASTING, type Lasting, STRIKING, type Striking } from "./language.ts";

/** Told of what the timetable says. */
export interface Listener {
  /** From now on these of the lasting faults are to happen; the others not. */
  lasting(faults: Faults): void;
  /** A fault strikes now; for how long, milliseconds. */
  strike(kind: Striking, index: number, forMs: number): void;
}

interface Times {
  readonly when?: { readonly from: number; readonly until?: number | undefined } | undefined;
  readonly every?: Range | undefined;
  readonly for?: Range | undefined;
}

/** When the faults of a file happen: the same in the simulation and on a running cluster. */
export class Timetable {
  readonly #faults: Faults;
  readonly #timers: Timers;
  readonly #random: RandomStream;
  readonly #listener: Listener;
  readonly #cancels = new Set<Cancel>();
  readonly #active = new Set<Lasting>();
  #stopped = false;

  /** Nothing happens before `start`. */
  constructor(faults: Faults, timers: Timers, random: RandomStream, listener: Listener) {
    this.#faults = faults;
    this.#timers = timers;
    this.#random = random;
    this.#listener = listener;
  }

  start(): void {
    for (const kind of Object.keys(LASTING) as Lasting[]) {
      const fault = this.#faults[kind];
      if (fault !== undefined) this.#last(kind, fault);
    }
    this.#tell();
    for (const kind of Object.keys(STRIKING) as Striking[]) {
      this.#faults[kind]?.forEach((fault, index) => void this.#strikes(kind, index, fault));
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
  }

  #last(kind: Lasting, { when, every, for: lasts }: Times): void {
    const until = when?.until === undefined ? Number.POSITIVE_INFINITY : when.until;
    let now = 0;
    const on = (): void => {
      if (now >= until) return;
      this.#switch(kind, true);
      const length = Math.min(lasts ? drawIn(this.#random, lasts) : until, until - now);
      if (length !== Number.POSITIVE_INFINITY) this.#after(length, () => off(now + length));
    };
    const off = (time: number): void => {
      this.#switch(kind, false);
      if (every === undefined) return;
      const rest = drawIn(this.#random, every);
      now = time + rest;
      this.#after(rest, on);
    };
    now = when?.from ?? 0;
    // What is there from the beginning takes no event of its own.
    if (now > 0) this.#after(now, on);
    else on();
  }

  #switch(kind: Lasting, on: boolean): void {
    if (on) this.#active.add(kind);
    else this.#active.delete(kind);
    this.#tell();
  }

  #tell(): void {
    const off = (Object.keys(LASTING) as Lasting[]).filter((kind) => !this.#active.has(kind));
    const none = Object.fromEntries(off.map((kind) => [kind, undefined]));
    this.#listener.lasting({ ...this.#faults, ...none });
  }

  #strikes(kind: Striking, index: number, fault: Times & { readonly every: Range }): void {
    const until = fault.when?.until ?? Number.POSITIVE_INFINITY;
    const wait = (now: number): void => {
      const rest = drawIn(this.#random, fault.every);
      if (now + rest > until) return;
      this.#after(rest, () => {
        const length = fault.for ? drawIn(this.#random, fault.for) : 0;
        this.#listener.strike(kind, index, length);
        if (length === 0) wait(now + rest);
        else this.#after(length, () => wait(now + rest + length));
      });
    };
    const from = fault.when?.from ?? 0;
    if (from === 0) wait(0);
    else this.#after(from, () => wait(from));
  }

  #after(ms: number, run: () => void): void {
    if (this.#stopped) return;
    const cancel = this.#timers.after(ms, () => {
      this.#cancels.delete(cancel);
      run();
    });
    this.#cancels.add(cancel);
  }
}

export function drawIn(random: RandomStream, [least, most]: Range): number {
  return least + random.next() * (most - least);
}
