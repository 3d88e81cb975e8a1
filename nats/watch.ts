import {
  CompactedError,
  FutureRevisionError,
  type Key,
  type Revision,
  StoreError,
  type Version,
  type Watch,
  type WatchHandler,
} from "../shared/store/store.ts";
import { Consumer, type Delivered } from "./consumer.ts";
import type { Log } from "./log.ts";
import { hasMore, versionOf } from "./message.ts";
import { keepsOnlyLast } from "./streams.ts";
import type { Tails } from "./tails.ts";

const RETRY_MS = 25;

/**
 * A watch of a log: one ordered consumer after the other, each begun behind the last commit that
 * was delivered, over restarts of the server and lost connections.
 *
 * It reads all keys and lets through those with the prefix, because only so it can tell a version
 * that was compacted away from one that it does not want.
 */
export class LogWatch implements Watch {
  readonly #log: Log;
  readonly #tails: Tails;
  readonly #prefix: string;
  readonly #handler: WatchHandler;
  readonly #stopStatus: () => void;
  readonly #onEnd: () => void;
  #from: Revision | "snapshot";
  /** Everything up to here has been delivered. */
  #last: Revision = 0;
  #caughtUp = false;
  #ended = false;
  #session: Session | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(
    log: Log,
    tails: Tails,
    options: { prefix: string; from: Revision | "snapshot"; onEnd: () => void },
    handler: WatchHandler,
  ) {
    this.#log = log;
    this.#tails = tails;
    this.#prefix = options.prefix;
    this.#from = options.from;
    this.#onEnd = options.onEnd;
    this.#handler = handler;
    if (options.from !== "snapshot") this.#last = options.from;
    this.#stopStatus = log.connection.onStatus((connected) => {
      if (connected) this.#begin();
      else this.#endSession();
    });
    this.#begin();
  }

  stop(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#retry);
    this.#endSession();
    this.#stopStatus();
    this.#onEnd();
  }

  #fail(error: Error): void {
    if (this.#ended) return;
    this.stop();
    this.#handler.failed(error);
  }

  #begin(): void {
    clearTimeout(this.#retry);
    this.#endSession();
    if (this.#ended || !this.#log.connection.connected) return;
    const snapshot = this.#from === "snapshot";
    const from = snapshot ? "snapshot" : this.#last;
    const session = new Session(this.#log, this.#tails, from, {
      commit: (versions, upTo) => {
        if (this.#session === session) this.#deliver(versions, upTo);
      },
      caughtUp: (versions, upTo) => {
        if (this.#session === session) this.#catchUp(versions, upTo);
      },
      refused: (error) => {
        if (this.#session === session) this.#fail(error);
      },
      lost: () => {
        if (this.#session === session) this.#again();
      },
    });
    this.#session = session;
    session.start();
  }

  #again(): void {
    this.#endSession();
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#begin(), RETRY_MS);
  }

  #endSession(): void {
    this.#session?.close();
    this.#session = undefined;
  }

  #deliver(versions: readonly Version[], upTo: Revision): void {
    this.#last = upTo;
    const wanted = versions.filter(({ key }) => key.startsWith(this.#prefix));
    for (const [index, version] of wanted.entries()) {
      if (this.#ended) return;
      const more = version.more && index < wanted.length - 1;
      const delivered = version.more === more ? version : { ...version, more };
      this.#call(() => this.#handler.version(delivered));
    }
    if (wanted.length === 0) this.#call(() => this.#handler.progress?.(upTo));
  }

  #catchUp(versions: readonly Version[], upTo: Revision): void {
    this.#from = upTo;
    this.#deliver(versions, upTo);
    if (this.#caughtUp || this.#ended) return;
    this.#caughtUp = true;
    this.#call(() => this.#handler.caughtUp?.(upTo));
  }

  /** A handler that throws ends the process, but must not stop the connection's own work. */
  #call(run: () => void): void {
    try {
      run();
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

interface SessionHandler {
  /** One whole commit; everything up to `upTo` has been delivered. */
  commit(versions: readonly Version[], upTo: Revision): void;
  /** The versions of the snapshot, if one was asked for; all that was there has been delivered. */
  caughtUp(versions: readonly Version[], upTo: Revision): void;
  /** What was asked for cannot be delivered. */
  refused(error: Error): void;
  /** Something went missing; another session may go on. */
  lost(error: Error): void;
}

/** One consumer's life. */
class Session {
  readonly #log: Log;
  readonly #tails: Tails;
  readonly #from: Revision | "snapshot";
  readonly #handler: SessionHandler;
  readonly #consumer: Consumer;
  #closed = false;
  #head: Revision = 0;
  #pending = 0;
  #count = 0;
  #caughtUp = false;
  /** The last message that was processed. */
  #last: Revision = 0;
  /** The commit, or until it is complete the snapshot, that is being gathered. */
  #gathered: Version[] = [];
  /** A gap was met; nothing behind it is delivered. */
  #broken = false;

  constructor(log: Log, tails: Tails, from: Revision | "snapshot", handler: SessionHandler) {
    this.#log = log;
    this.#tails = tails;
    this.#from = from;
    this.#handler = handler;
    if (from !== "snapshot") this.#last = from;
    this.#consumer = new Consumer(
      log.connection,
      log.requests,
      {
        stream: log.stream,
        filter: `$KV.${log.name}.>`,
        from: from === "snapshot" ? "last" : from + 1,
      },
      {
        started: (pending) => this.#started(pending),
        message: (delivered) => {
          if (!this.#broken) this.#take(delivered);
        },
        lost: (error) => this.#lose(error),
      },
    );
  }

  start(): void {
    this.#open().catch((error: Error) => {
      if (this.#closed) return;
      if (error instanceof CompactedError || error instanceof FutureRevisionError) {
        this.close();
        this.#handler.refused(error);
      } else {
        this.#lose(error);
      }
    });
  }

  close(): void {
    this.#closed = true;
    this.#consumer.close();
  }

  async #open(): Promise<void> {
    const info = await this.#log.info();
    this.#head = info.state.last_seq;
    if (this.#from !== "snapshot") await this.#checkReadable(this.#from);
    if (!this.#closed) await this.#consumer.start();
  }

  async #checkReadable(from: Revision): Promise<void> {
    if (from > this.#head) throw new FutureRevisionError(from, this.#head);
    const oldest = await this.#log.oldest(await this.#log.info());
    if (from < oldest) throw new CompactedError(from, oldest);
  }

  #lose(error: Error): void {
    if (this.#closed) return;
    this.close();
    this.#handler.lost(error);
  }

  #started(pending: number): void {
    this.#pending = pending;
    if (pending > 0) return;
    this.#last = Math.max(this.#last, this.#head);
    this.#catchUp();
  }

  #take(delivered: Delivered): void {
    if (this.#closed) return;
    const { sequence, message, time } = delivered;
    const inSnapshot = this.#from === "snapshot" && !this.#caughtUp;
    if (!inSnapshot && sequence !== this.#last + 1 && !keepsOnlyLast(this.#log.name)) {
      this.#break(sequence);
      return;
    }
    this.#process(
      sequence,
      versionOf(message.subject, message.data, message.headers, {
        sequence,
        time,
      }),
      hasMore(message.headers),
    );
  }

  #process(sequence: Revision, version: Version | undefined, more: boolean): void {
    this.#last = sequence;
    this.#count += 1;
    if (version) this.#gathered.push(version);
    if (version?.value === null) {
      this.#tails.learn(version.key, { revision: sequence, live: false });
    }
    if (more) return;
    const complete = this.#count >= this.#pending;
    if (this.#caughtUp || this.#from !== "snapshot") {
      const versions = this.#gathered;
      this.#gathered = [];
      this.#handler.commit(versions, sequence);
    }
    if (!this.#caughtUp && complete) this.#catchUp();
  }

  #catchUp(): void {
    this.#caughtUp = true;
    const latest = new Map<Key, Version>();
    for (const version of this.#gathered) latest.set(version.key, version);
    this.#gathered = [];
    const live: Version[] = [];
    for (const version of latest.values()) {
      if (version.value !== null) live.push({ ...version, more: false });
    }
    live.sort((a, b) => a.revision - b.revision);
    this.#handler.caughtUp(live, this.#last);
  }

  /** Revisions are missing in front of this message: compacted, or lost? */
  #break(next: Revision): void {
    this.#broken = true;
    this.#explainGap(this.#last, next).then(
      (error) => {
        if (this.#closed) return;
        this.close();
        this.#handler.refused(error);
      },
      (error: Error) => this.#lose(error),
    );
  }

  async #explainGap(last: Revision, next: Revision): Promise<StoreError> {
    const oldest = await this.#log.oldest(await this.#log.info());
    if (last < oldest) return new CompactedError(last, oldest);
    return new StoreError(`the log has lost the revisions between ${last} and ${next}`);
  }
}
