import type { Runtime } from "../shared/runtime/runtime.ts";
import {
  type Key,
  type Revision,
  type Store,
  StoreError,
  UnavailableError,
  type Version,
  type Watch,
  type WatchHandler,
  type Write,
  type WriteHeaders,
} from "../shared/store/store.ts";
import { checkWrites } from "../shared/store/writes.ts";
import { Barrier } from "./barrier.ts";
import { compact } from "./compaction.ts";
import { type Durability, MAX_PAYLOAD } from "./config.ts";
import type { Connection } from "./connect.ts";
import { Log } from "./log.ts";
import { ApiError, isAway, Requests } from "./requests.ts";
import { awaitLog, checkServer, ensureLog, keepsOnlyLast } from "./streams.ts";
import { type LogName, subjectOfKey } from "./subjects.ts";
import { Tails } from "./tails.ts";
import { LogWatch } from "./watch.ts";
import { Writer } from "./writer.ts";

export interface StoreOptions {
  readonly name: LogName;
  /** The user may not write; waits until the log's writer has made the stream. */
  readonly readOnly?: boolean;
  readonly durability: Durability;
  /** Servers that keep a copy. Default 1. */
  readonly replicas?: number;
}

/** How long reads go on trying while the server is away. */
const AWAY_MS = 10_000;
const RETRY_MS = 25;

/**
 * Opens one log of the cluster on JetStream; makes its stream when the user may. The log of leases
 * has no history: its watches may leave out versions that a newer one of the key has replaced, and
 * it can be read as of now only (CompactedError).
 * @throws Error when the server is too old or keeps the stream otherwise than asked.
 */
export async function openStore(
  connection: Connection,
  runtime: Runtime,
  options: StoreOptions,
): Promise<Store> {
  const { info } = connection.nats;
  if (info && info.max_payload < MAX_PAYLOAD) {
    throw new Error(
      `nats-server takes messages up to ${info.max_payload} bytes; ` +
        `set max_payload to at least ${MAX_PAYLOAD}`,
    );
  }
  const requests = new Requests(connection);
  const deadline = runtime.clock.monotonic() + AWAY_MS;
  for (;;) {
    try {
      await checkServer(requests);
      if (options.readOnly) await awaitLog(requests, options.name);
      else await ensureLog(requests, options.name, options.replicas ?? 1);
      return new JetStreamStore(connection, requests, runtime, options);
    } catch (error) {
      // A server that is just being started again is waited for.
      if (!isAway(error) || runtime.clock.monotonic() > deadline) {
        requests.close();
        throw error;
      }
    }
    await runtime.timers.sleep(RETRY_MS);
  }
}

class JetStreamStore implements Store {
  readonly #log: Log;
  readonly #requests: Requests;
  readonly #runtime: Runtime;
  readonly #readOnly: boolean;
  readonly #tails = new Tails();
  readonly #writer: Writer;
  readonly #barrier: Barrier;
  readonly #watches = new Set<LogWatch>();
  #closed = false;

  constructor(connection: Connection, requests: Requests, runtime: Runtime, options: StoreOptions) {
    this.#log = new Log(options.name, connection, requests);
    this.#requests = requests;
    this.#runtime = runtime;
    this.#readOnly = options.readOnly ?? false;
    this.#writer = new Writer(this.#log, this.#tails);
    this.#barrier = new Barrier(this.#log, {
      replicas: options.replicas ?? 1,
      readOnly: this.#readOnly,
      isBusy: () => this.#writer.busy,
    });
  }

  async commit(writes: readonly Write[], headers: WriteHeaders): Promise<Revision[]> {
    this.#checkOpen();
    if (this.#readOnly) throw new UnavailableError("this user may not write the log");
    checkWrites(writes);
    return this.#writer.commit(writes, headers);
  }

  head(): Promise<Revision> {
    return this.#read(() => this.#barrier.head());
  }

  revisionBefore(time: number): Promise<Revision> {
    return this.#read(async () => (await this.#log.firstFrom(time)) - 1);
  }

  get(key: Key, at?: Revision): Promise<Version | undefined> {
    return this.#read(async () => {
      if (at === undefined) {
        const last = await this.#log.last(key);
        return last && last.value !== null ? last : undefined;
      }
      const [version] = await this.#past(at, () =>
        this.#log.lastUpTo([subjectOfKey(this.#log.name, key)], at),
      );
      return version;
    });
  }

  list(prefix: string, at?: Revision): Promise<{ revision: Revision; versions: Version[] }> {
    return this.#read(async () => {
      if (at === undefined && keepsOnlyLast(this.#log.name)) return this.#listSnapshot(prefix);
      const revision = at ?? (await this.#barrier.head());
      const versions = await this.#past(revision, () => this.#log.versionsAt(prefix, revision));
      return { revision, versions };
    });
  }

  watch(prefix: string, from: Revision | "snapshot", handler: WatchHandler): Watch {
    if (this.#closed) {
      queueMicrotask(() => handler.failed(new UnavailableError("the store is closed")));
      return { stop: () => {} };
    }
    const onEnd = (): void => {
      this.#watches.delete(watch);
    };
    // Who only reads need not know what a write would have to expect.
    const tails = this.#readOnly ? undefined : this.#tails;
    const watch = new LogWatch(this.#log, tails, { prefix, from, onEnd }, handler);
    this.#watches.add(watch);
    return watch;
  }

  async compact(revision: Revision): Promise<void> {
    this.#checkOpen();
    await compact(this.#log, revision);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#writer.idle();
    for (const watch of [...this.#watches]) watch.stop();
    this.#requests.close();
  }

  /** Where no history is kept, a state that holds still can only be had from a watch. */
  #listSnapshot(prefix: string): Promise<{ revision: Revision; versions: Version[] }> {
    return new Promise((resolve, reject) => {
      const latest = new Map<Key, Version>();
      const watch = this.watch(prefix, "snapshot", {
        version: (version) => latest.set(version.key, version),
        caughtUp: (revision) => {
          watch.stop();
          const live = [...latest.values()].filter((version) => version.value !== null);
          resolve({ revision, versions: live.sort((a, b) => (a.key < b.key ? -1 : 1)) });
        },
        failed: reject,
      });
    });
  }

  /** Reads as of a revision. Checked behind the read: a compaction may have come in between. */
  async #past<Result>(at: Revision, read: () => Promise<Result>): Promise<Result> {
    await this.#log.checkReadable(at);
    const result = await read();
    await this.#log.checkReadable(at);
    return result;
  }

  /** Tries a read again while the server is away. */
  async #read<Result>(read: () => Promise<Result>): Promise<Result> {
    this.#checkOpen();
    const { clock, timers } = this.#runtime;
    const deadline = clock.monotonic() + AWAY_MS;
    for (;;) {
      try {
        return await read();
      } catch (error) {
        if (error instanceof StoreError || error instanceof TypeError) throw error;
        if (error instanceof ApiError && error.code < 500) throw error;
        if (clock.monotonic() > deadline || this.#closed) {
          throw new UnavailableError("the log cannot be read", { cause: error });
        }
      }
      await timers.sleep(RETRY_MS);
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new UnavailableError("the store is closed");
  }
}
