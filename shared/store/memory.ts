import type { Runtime } from "../runtime/runtime.ts";
import {
  CompactedError,
  ConflictError,
  FutureRevisionError,
  type Key,
  type Revision,
  type Store,
  UnavailableError,
  type Version,
  type Watch,
  type WatchHandler,
  type Write,
  type WriteHeaders,
} from "./store.ts";
import { checkWrites } from "./writes.ts";

/**
 * The reference implementation of the Store contract, in memory. Commits take effect at once, in
 * call order, and resolve in a later microtask; watchers are called from microtasks. It needs no
 * timer, so a simulation on virtual time stays deterministic. History is kept until `compact`.
 */
export class MemoryStore implements Store {
  readonly #runtime: Runtime;
  /** Every version still kept, ascending by revision. */
  #log: Version[] = [];
  /** The same versions by key, ascending; the last may be a deletion. */
  readonly #histories = new Map<Key, Version[]>();
  readonly #watchers = new Set<Watcher>();
  #head: Revision = 0;
  #compacted: Revision = 0;
  #closed = false;

  /** `past`: begins as another log was at a revision. */
  constructor(runtime: Runtime, past?: Past) {
    this.#runtime = runtime;
    if (past === undefined) return;
    this.#head = past.revision;
    this.#compacted = past.revision;
    const ascending = [...past.versions].sort((a, b) => a.revision - b.revision);
    for (const version of ascending) this.#append({ ...version, more: false });
  }

  /** Takes over a commit of another log: whole, and above everything that is here. */
  take(commit: readonly Version[]): void {
    const [first] = commit;
    if (first === undefined) return;
    if (first.revision <= this.#head) {
      throw new RangeError(`revision ${first.revision} comes after ${this.#head}`);
    }
    for (const version of commit) this.#append(version);
    this.#head = (commit.at(-1) as Version).revision;
    for (const watcher of this.#watchers) watcher.push(commit);
  }

  async commit(writes: readonly Write[], headers: WriteHeaders): Promise<Revision[]> {
    this.#checkOpen();
    checkWrites(writes);
    for (const write of writes) this.#checkExpectation(write);
    const time = this.#runtime.clock.now();
    const versions = writes.map((write, index): Version => {
      this.#head += 1;
      return {
        revision: this.#head,
        key: write.key,
        value: write.value === null ? null : Buffer.from(write.value),
        headers,
        time,
        more: index < writes.length - 1,
      };
    });
    for (const version of versions) this.#append(version);
    for (const watcher of this.#watchers) watcher.push(versions);
    return versions.map((version) => version.revision);
  }

  async revisionBefore(time: number): Promise<Revision> {
    this.#checkOpen();
    const next = this.#log.find((version) => version.time >= time);
    return next === undefined ? this.#head : next.revision - 1;
  }

  async head(): Promise<Revision> {
    this.#checkOpen();
    return this.#head;
  }

  async get(key: Key, at?: Revision): Promise<Version | undefined> {
    this.#checkOpen();
    const revision = this.#checkReadable(at);
    return liveAt(this.#histories.get(key), revision);
  }

  async list(prefix: string, at?: Revision): Promise<{ revision: Revision; versions: Version[] }> {
    this.#checkOpen();
    const revision = this.#checkReadable(at);
    const versions: Version[] = [];
    for (const [key, history] of this.#histories) {
      if (!key.startsWith(prefix)) continue;
      const version = liveAt(history, revision);
      if (version) versions.push(version);
    }
    versions.sort((a, b) => (a.key < b.key ? -1 : 1));
    return { revision, versions };
  }

  watch(prefix: string, from: Revision | "snapshot", handler: WatchHandler): Watch {
    const watcher = new Watcher(prefix, handler, () => this.#watchers.delete(watcher));
    const refusal = this.#refusalOf(from);
    if (refusal) {
      watcher.fail(refusal);
      return watcher;
    }
    if (from === "snapshot") {
      const live: Version[] = [];
      for (const history of this.#histories.values()) {
        const version = liveAt(history, this.#head);
        if (version) live.push({ ...version, more: false });
      }
      live.sort((a, b) => a.revision - b.revision);
      watcher.push(live);
    } else {
      watcher.push(this.#log.slice(firstAbove(this.#log, from)));
    }
    watcher.caughtUp(this.#head);
    this.#watchers.add(watcher);
    return watcher;
  }

  async compact(revision: Revision): Promise<void> {
    this.#checkOpen();
    if (revision > this.#head) throw new FutureRevisionError(revision, this.#head);
    if (revision <= this.#compacted) return;
    this.#compacted = revision;
    for (const [key, history] of this.#histories) {
      const last = firstAbove(history, revision) - 1;
      if (last < 0) continue;
      const kept = history.slice(history[last]?.value === null ? last + 1 : last);
      if (kept.length === 0) this.#histories.delete(key);
      else this.#histories.set(key, kept);
    }
    this.#log = [...this.#histories.values()].flat().sort((a, b) => a.revision - b.revision);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const watcher of this.#watchers) watcher.stop();
  }

  #append(version: Version): void {
    this.#log.push(version);
    const history = this.#histories.get(version.key);
    if (history) history.push(version);
    else this.#histories.set(version.key, [version]);
  }

  #checkOpen(): void {
    if (this.#closed) throw new UnavailableError("the store is closed");
  }

  #checkExpectation(write: Write): void {
    if (write.expect === undefined) return;
    const actual = liveAt(this.#histories.get(write.key), this.#head)?.revision ?? 0;
    if (actual !== write.expect) throw new ConflictError(write.key, write.expect, actual);
  }

  #checkReadable(at: Revision | undefined): Revision {
    if (at === undefined) return this.#head;
    const refusal = this.#refusalOf(at);
    if (refusal) throw refusal;
    return at;
  }

  #refusalOf(from: Revision | "snapshot"): Error | undefined {
    if (this.#closed) return new UnavailableError("the store is closed");
    if (from === "snapshot") return undefined;
    if (from > this.#head) return new FutureRevisionError(from, this.#head);
    if (from < this.#compacted) return new CompactedError(from, this.#compacted);
    return undefined;
  }
}

/** The live versions of a log as of a revision. */
export interface Past {
  readonly revision: Revision;
  readonly versions: readonly Version[];
}

/** One watch: a queue that is emptied from microtasks. */
class Watcher implements Watch {
  readonly #prefix: string;
  readonly #handler: WatchHandler;
  readonly #onStop: () => void;
  #queue: (() => void)[] = [];
  #scheduled = false;
  #stopped = false;

  constructor(prefix: string, handler: WatchHandler, onStop: () => void) {
    this.#prefix = prefix;
    this.#handler = handler;
    this.#onStop = onStop;
  }

  /** `versions` holds whole commits. */
  push(versions: readonly Version[]): void {
    const matching: Version[] = [];
    // From the end, so that of a commit that the prefix cuts the last match becomes its end.
    let more = false;
    for (const version of versions.toReversed()) {
      if (!version.more) more = false;
      if (!version.key.startsWith(this.#prefix)) continue;
      matching.push(version.more === more ? version : { ...version, more });
      more = true;
    }
    matching.reverse();
    for (const version of matching) {
      if (version.more) this.#enqueue(() => this.#handler.ahead?.(version));
    }
    for (const version of matching) this.#enqueue(() => this.#handler.version(version));
    const last = versions.at(-1);
    if (last && matching.length === 0) {
      this.#enqueue(() => this.#handler.progress?.(last.revision));
    }
  }

  caughtUp(revision: Revision): void {
    this.#enqueue(() => this.#handler.caughtUp?.(revision));
  }

  fail(error: Error): void {
    this.#enqueue(() => {
      this.stop();
      this.#handler.failed(error);
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#queue = [];
    this.#onStop();
  }

  #enqueue(call: () => void): void {
    if (this.#stopped) return;
    this.#queue.push(call);
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#drain());
  }

  #drain(): void {
    this.#scheduled = false;
    const calls = this.#queue;
    this.#queue = [];
    for (const [index, call] of calls.entries()) {
      if (this.#stopped) return;
      try {
        call();
      } catch (error) {
        // A handler that throws ends its process, but must not make this one lose versions.
        const rest = calls.slice(index + 1);
        this.#queue = [...rest, ...this.#queue];
        if (!this.#scheduled && this.#queue.length > 0) {
          this.#scheduled = true;
          queueMicrotask(() => this.#drain());
        }
        throw error;
      }
    }
  }
}

/** The version that was current at the revision, unless the key did not exist then. */
function liveAt(history: readonly Version[] | undefined, at: Revision): Version | undefined {
  if (!history) return undefined;
  const version = history[firstAbove(history, at) - 1];
  return version?.value === null ? undefined : version;
}

/** Index of the first version above the revision; the length when there is none. */
function firstAbove(versions: readonly Version[], revision: Revision): number {
  let low = 0;
  let high = versions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((versions[middle] as Version).revision > revision) high = middle;
    else low = middle + 1;
  }
  return low;
}
