import { type ReadableLog, readVersions } from "../../../shared/log/history.ts";
import { commitsOf } from "../../../shared/log/recording.ts";
import type { Cancel, Runtime } from "../../../shared/runtime/runtime.ts";
import type { MemoryStore } from "../../../shared/store/memory.ts";
import type { Revision, Version } from "../../../shared/store/store.ts";
import type { PastClock } from "./clock.ts";

/** Versions that are read ahead of the clock at a time. */
const AHEAD = 2_000;
/** How often the end of the log is asked whether it has moved on. */
const LOOK_MS = 500;

/**
 * Writes what a log took after a revision into a store, each commit when the clock shows the time
 * at which it was made. At the end of the log it goes on with what comes.
 */
export class Replay {
  readonly #source: ReadableLog;
  readonly #store: MemoryStore;
  readonly #clock: PastClock;
  readonly #runtime: Runtime;
  readonly #onError: (error: unknown) => void;
  #last: Revision;
  #waiting: (readonly Version[])[] = [];
  #cancel: Cancel | undefined;
  #started = false;
  #stopped = false;

  constructor(options: {
    readonly source: ReadableLog;
    readonly store: MemoryStore;
    /** The store shows the log as of this revision. */
    readonly from: Revision;
    readonly clock: PastClock;
    readonly runtime: Runtime;
    readonly onError: (error: unknown) => void;
  }) {
    this.#source = options.source;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#runtime = options.runtime;
    this.#onError = options.onError;
    this.#last = options.from;
  }

  /** Begins to follow the clock, once. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#go();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #go(): void {
    if (this.#stopped) return;
    this.#step().catch((error: unknown) => {
      if (!this.#stopped) this.#onError(error);
    });
  }

  async #step(): Promise<void> {
    if (this.#waiting.length === 0) await this.#readAhead();
    if (this.#stopped) return;
    for (;;) {
      const next = this.#waiting[0];
      const due = next === undefined ? LOOK_MS : this.#clock.until((next[0] as Version).time);
      if (next === undefined || due > 0) {
        this.#cancel = this.#runtime.timers.after(Math.min(due, LOOK_MS), () => this.#go());
        return;
      }
      this.#waiting.shift();
      this.#store.take(next);
      if (this.#waiting.length === 0) await this.#readAhead();
    }
  }

  async #readAhead(): Promise<void> {
    const head = await this.#source.head();
    const versions: Version[] = [];
    await this.#readUpTo(Math.min(head, this.#last + AHEAD), versions);
    // A commit is not cut: its end may lie behind the part that was asked for.
    while (versions.at(-1)?.more) await this.#readUpTo(this.#last + 1, versions);
    this.#waiting = [...commitsOf(versions)];
  }

  async #readUpTo(to: Revision, versions: Version[]): Promise<void> {
    await readVersions(this.#source, { after: this.#last, to }, (version) => {
      versions.push(version);
    });
    this.#last = Math.max(this.#last, to);
  }
}
