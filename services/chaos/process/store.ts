import {
  type Key,
  type Revision,
  type Store,
  UnavailableError,
  UnknownOutcomeError,
  type Version,
  type Watch,
  type WatchHandler,
  type Write,
  type WriteHeaders,
} from "../../../shared/store/store.ts";
import type { ProcessFaults } from "./faults.ts";

/** How long a client of the log tries before it gives up on a log that it is cut off from. */
const UNREACHABLE_MS = 2_000;
const LOOK_AGAIN_MS = 25;

/** A log as a process with faults has it. */
export class FaultyStore implements Store {
  readonly #faults: ProcessFaults;
  readonly #inner: Store;

  constructor(faults: ProcessFaults, inner: Store) {
    this.#faults = faults;
    this.#inner = inner;
  }

  commit(writes: readonly Write[], headers: WriteHeaders): Promise<Revision[]> {
    if (this.#faults.present === undefined) return this.#inner.commit(writes, headers);
    return this.#commit(writes, headers);
  }

  head(): Promise<Revision> {
    return this.#read(() => this.#inner.head());
  }

  revisionBefore(time: number): Promise<Revision> {
    return this.#read(() => this.#inner.revisionBefore(time));
  }

  get(key: Key, at?: Revision): Promise<Version | undefined> {
    return this.#read(() => this.#inner.get(key, at));
  }

  list(prefix: string, at?: Revision): Promise<{ revision: Revision; versions: Version[] }> {
    return this.#read(() => this.#inner.list(prefix, at));
  }

  watch(prefix: string, from: Revision | "snapshot", handler: WatchHandler): Watch {
    const watch = new HeldWatch(this.#faults, handler);
    watch.follow(this.#inner, prefix, from);
    return watch;
  }

  compact(revision: Revision): Promise<void> {
    return this.#inner.compact(revision);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #commit(writes: readonly Write[], headers: WriteHeaders): Promise<Revision[]> {
    const faults = this.#faults;
    faults.boundary("commit");
    await this.#reachable();
    const log = faults.present?.log;
    if (log?.diskFull) throw new UnavailableError("the log's disk is full");
    if (faults.hits(log?.unavailable ?? 0)) throw new UnavailableError("the log is not reachable");
    const slow = log?.slowSync;
    if (slow && faults.hits(slow.probability)) {
      await faults.runtime.timers.sleep(faults.draw(slow.ms));
    }
    const revisions = await this.#inner.commit(writes, headers);
    faults.boundary("receive");
    if (faults.hits(log?.unknownOutcome ?? 0)) throw new UnknownOutcomeError("connection broken");
    return revisions;
  }

  async #read<Result>(read: () => Promise<Result>): Promise<Result> {
    if (this.#faults.present !== undefined) await this.#reachable();
    return read();
  }

  /** Waits while the log is cut off. @throws UnavailableError when it stays so. */
  async #reachable(): Promise<void> {
    const { clock, timers } = this.#faults.runtime;
    const deadline = clock.monotonic() + UNREACHABLE_MS;
    while (isCut(this.#faults)) {
      if (clock.monotonic() >= deadline) throw new UnavailableError("the log is not reachable");
      await timers.sleep(LOOK_AGAIN_MS);
    }
  }
}

function isCut(faults: ProcessFaults): boolean {
  const partition = faults.present?.partition;
  return partition !== undefined && partition.from !== "nodes";
}

/** Every version in order, none left out; late while there is a fault. */
class HeldWatch implements Watch {
  readonly #faults: ProcessFaults;
  readonly #handler: WatchHandler;
  #queue: (() => void)[] = [];
  #due = false;
  #lagMs = 0;
  #stopped = false;
  #inner: Watch | undefined;

  constructor(faults: ProcessFaults, handler: WatchHandler) {
    this.#faults = faults;
    this.#handler = handler;
  }

  follow(store: Store, prefix: string, from: Revision | "snapshot"): void {
    const handler = this.#handler;
    this.#inner = store.watch(prefix, from, {
      version: (version) => {
        if (this.#passes()) handler.version(version);
        else this.#hold(() => handler.version(version), version.more);
      },
      caughtUp: (revision) => {
        if (this.#passes()) handler.caughtUp?.(revision);
        else this.#hold(() => handler.caughtUp?.(revision), false);
      },
      progress: (revision) => {
        if (this.#passes()) handler.progress?.(revision);
        else this.#hold(() => handler.progress?.(revision), false);
      },
      failed: (error) => {
        if (this.#passes()) handler.failed(error);
        else this.#hold(() => handler.failed(error), false);
      },
    });
    if (this.#stopped) this.#inner.stop();
  }

  stop(): void {
    this.#stopped = true;
    this.#inner?.stop();
    this.#queue = [];
  }

  #passes(): boolean {
    return this.#faults.present === undefined && this.#queue.length === 0;
  }

  #hold(deliver: () => void, more: boolean): void {
    this.#queue.push(deliver);
    if (!more && !this.#due) this.#deliverAfter(this.#delay());
  }

  #deliverAfter(ms: number): void {
    this.#due = true;
    this.#faults.runtime.timers.after(ms, () => this.#deliver());
  }

  #deliver(): void {
    this.#due = false;
    if (this.#stopped) return;
    if (isCut(this.#faults)) {
      this.#deliverAfter(LOOK_AGAIN_MS);
      return;
    }
    if (this.#faults.hits(this.#faults.present?.unobserved?.coalesce ?? 0)) {
      this.#deliverAfter(this.#faults.draw([20, 100]));
      return;
    }
    this.#faults.boundary("version");
    const queue = this.#queue;
    this.#queue = [];
    for (const deliver of queue) if (!this.#stopped) deliver();
  }

  #delay(): number {
    const lag = this.#faults.present?.lag;
    if (lag === undefined) this.#lagMs = 0;
    else if (this.#faults.hits(lag.probability)) this.#lagMs = this.#faults.draw(lag.ms);
    return this.#lagMs;
  }
}
