import { EventQueue } from "./event-queue.ts";
import { ulidOf, uuidOf } from "./ids.ts";
import { hash32, seededRandom } from "./random.ts";
import type { Cancel, Clock, Ids, Random, Runtime, Timers } from "./runtime.ts";

/** 2026-01-01T00:00:00Z: where virtual time begins unless told otherwise. */
const START_MS = 1_767_225_600_000;

export interface SeededOptions {
  readonly seed?: number;
  /** Wall clock at virtual time 0, milliseconds since the epoch. */
  readonly startMs?: number;
}

export interface ProcessOptions {
  /** Added to the process's wall clock; its timers are not affected. */
  readonly skewMs?: number;
}

/** Where a fault may strike: the process is about to touch the world outside its memory. */
export type Boundary = (process: SimulatedProcess, effect: string) => void;

/**
 * A simulator: virtual time, one ordered queue of events, and all randomness from one seed. It runs
 * one event at a time; between two events every promise that can settle has settled, so the same
 * seed gives the same run, and `traceHash` proves it.
 *
 * It is itself a Runtime (one that never crashes: for tests and for the simulated world), and
 * `process` makes further ones that share its time and can crash.
 *
 * ```ts
 * const simulator = new SeededRuntime({ seed: 7 });
 * const actor = simulator.process("scheduler-1", { skewMs: 200 });
 * startScheduler({ runtime: actor, ... });
 * await simulator.advance(5_000);
 * ```
 */
export class SeededRuntime implements Runtime {
  readonly seed: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly ids: Ids;
  /** Called before each event of a process; it may crash the process, which drops the event. */
  boundary: Boundary | undefined;
  /**
   * Called when an event of a process throws, which in a real one would end it. Without it the
   * error ends the simulation.
   */
  uncaught: ((process: SimulatedProcess, error: unknown) => void) | undefined;
  /** Receives every traced line, for printing a run. */
  onTrace: ((line: string) => void) | undefined;
  readonly #startMs: number;
  readonly #queue = new EventQueue<ScheduledEvent>();
  readonly #root: SimulatedProcess;
  readonly #incarnations = new Map<string, number>();
  #nowMs = 0;
  #events = 0;
  #hashLow = 0x811c9dc5;
  #hashHigh = 0x9e3779b9;

  constructor(options: SeededOptions = {}) {
    this.seed = options.seed ?? 1;
    this.#startMs = options.startMs ?? START_MS;
    this.#root = new SimulatedProcess(this, "world", 0, {});
    this.clock = this.#root.clock;
    this.timers = this.#root.timers;
    this.random = this.#root.random;
    this.ids = this.#root.ids;
  }

  /** A new process, or the next life of one that crashed; its randomness differs in each life. */
  process(name: string, options: ProcessOptions = {}): SimulatedProcess {
    const incarnation = (this.#incarnations.get(name) ?? 0) + 1;
    this.#incarnations.set(name, incarnation);
    return new SimulatedProcess(this, name, incarnation, options);
  }

  /** Virtual milliseconds since the start. */
  get nowMs(): number {
    return this.#nowMs;
  }

  get startMs(): number {
    return this.#startMs;
  }

  /** How many events have run. */
  get events(): number {
    return this.#events;
  }

  /** Runs `run` after `ms` unless the process has crashed by then or it is cancelled. */
  schedule(process: SimulatedProcess, ms: number, effect: string, run: () => void): Cancel {
    const time = this.#nowMs + Math.max(ms, 0);
    const event: ScheduledEvent = { process, effect, run, cancelled: false };
    this.#queue.push(time, event);
    return () => {
      event.cancelled = true;
    };
  }

  /** Adds a line to the run's trace: what happened, in order. Equal runs have equal traces. */
  trace(line: string): void {
    this.#hashLow = hash32(line, this.#hashLow);
    this.#hashHigh = Math.imul(this.#hashHigh ^ this.#hashLow, 0x01000193) ^ this.#hashLow;
    this.onTrace?.(`${this.#nowMs.toFixed(3)} ${line}`);
  }

  /** 16 hexadecimal digits over every event and traced line so far. */
  get traceHash(): string {
    const word = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");
    return word(this.#hashLow) + word(this.#hashHigh);
  }

  /** Lets every promise that can settle do so, without moving time. */
  settle(): Promise<void> {
    // All microtasks run before the next immediate; nothing in a simulation waits for real I/O.
    return new Promise((resolve) => void setImmediate(resolve));
  }

  /** Runs the next event and what follows from it; false when there is none before `limitMs`. */
  async step(limitMs = Number.POSITIVE_INFINITY): Promise<boolean> {
    for (;;) {
      const time = this.#queue.nextTime;
      if (time === undefined || time > limitMs) return false;
      const event = this.#queue.pop();
      if (event.cancelled || !event.process.alive) continue;
      if (event.process.pausedUntil > time) {
        this.#queue.push(event.process.pausedUntil, event);
        continue;
      }
      this.#nowMs = Math.max(this.#nowMs, time);
      this.#run(event);
      await this.settle();
      return true;
    }
  }

  #run(event: ScheduledEvent): void {
    this.#events++;
    if (event.process !== this.#root) this.boundary?.(event.process, event.effect);
    if (!event.process.alive) return;
    this.#hashLow = Math.imul(this.#hashLow ^ (this.#nowMs * 1000), 0x01000193);
    try {
      event.run();
    } catch (error) {
      if (this.uncaught === undefined) throw error;
      this.uncaught(event.process, error);
    }
  }

  /** Runs everything due within the next `ms` of virtual time, then stands at that moment. */
  async advance(ms: number): Promise<void> {
    const end = this.#nowMs + ms;
    await this.settle();
    while (await this.step(end));
    this.#nowMs = end;
  }

  /** Runs until `done()` holds (checked between events); false when `limitMs` passed first. */
  async runUntil(done: () => boolean, limitMs: number): Promise<boolean> {
    const end = this.#nowMs + limitMs;
    await this.settle();
    while (!done()) {
      if (!(await this.step(end))) {
        this.#nowMs = end;
        return done();
      }
    }
    return true;
  }

  /** Settles a promise by running the simulation; for calls that take virtual time. */
  async complete<T>(promise: Promise<T>, limitMs = 60_000): Promise<T> {
    let settled = false;
    const mark = (): void => {
      settled = true;
    };
    promise.then(mark, mark);
    if (!(await this.runUntil(() => settled, limitMs))) {
      throw new Error(`not settled within ${limitMs} ms of virtual time`);
    }
    return promise;
  }
}

interface ScheduledEvent {
  readonly process: SimulatedProcess;
  readonly effect: string;
  readonly run: () => void;
  cancelled: boolean;
}

/** One process on a simulator. After a crash nothing of it ever runs, fires or settles again. */
export class SimulatedProcess implements Runtime {
  readonly name: string;
  readonly incarnation: number;
  readonly simulator: SeededRuntime;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly ids: Ids;
  #skewMs: number;
  #alive = true;
  #pausedUntil = 0;
  readonly #onCrash: (() => void)[] = [];

  constructor(
    simulator: SeededRuntime,
    name: string,
    incarnation: number,
    options: ProcessOptions,
  ) {
    this.simulator = simulator;
    this.name = name;
    this.incarnation = incarnation;
    this.#skewMs = options.skewMs ?? 0;
    this.clock = {
      now: () => Math.floor(simulator.startMs + simulator.nowMs + this.#skewMs),
      monotonic: () => simulator.nowMs,
    };
    this.timers = {
      after: (ms, run) => simulator.schedule(this, ms, "timer", run),
      every: (ms, run) => this.#every(ms, run),
      sleep: (ms) => new Promise((resolve) => void simulator.schedule(this, ms, "timer", resolve)),
    };
    this.random = seededRandom(simulator.seed, `${name}/${incarnation}/`);
    const ids = this.random.stream("ids");
    this.ids = {
      ulid: () => ulidOf(this.clock.now(), ids.bytes(16)),
      uuid: () => uuidOf(ids.bytes(16)),
    };
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Sets the wall clock this far from true time. */
  skew(ms: number): void {
    this.#skewMs = ms;
  }

  /** Virtual time before which nothing of it runs. */
  get pausedUntil(): number {
    return this.#pausedUntil;
  }

  /** Stops the process for so long: what is due for it meanwhile waits, in order. 0: it goes on. */
  pause(ms: number): void {
    const until = this.simulator.nowMs + ms;
    if (ms > 0) this.simulator.trace(`pause ${this.name}/${this.incarnation}`);
    this.#pausedUntil = until;
  }

  /**
   * Kills the process: its timers, sleeps and deliveries never happen, and whatever code of it is
   * on the stack can no longer affect anything, since every effect asks `alive` first.
   */
  crash(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.simulator.trace(`crash ${this.name}/${this.incarnation}`);
    for (const listener of this.#onCrash) listener();
  }

  /** For what the process holds in the simulated world: subscriptions, watches. */
  onCrash(listener: () => void): void {
    this.#onCrash.push(listener);
  }

  #every(ms: number, run: () => void): Cancel {
    let cancel: Cancel = () => undefined;
    let stopped = false;
    // Zero would never let time pass.
    const period = Math.max(ms, 0.001);
    const arm = (): void => {
      cancel = this.simulator.schedule(this, period, "timer", () => {
        run();
        if (!stopped) arm();
      });
    };
    arm();
    return () => {
      stopped = true;
      cancel();
    };
  }
}
