import {
  CompactedError,
  FutureRevisionError,
  type Revision,
  StoreError,
  type Version,
  type Watch,
  type WatchHandler,
} from "../shared/store/store.ts";
import { Consumer, type Delivered } from "./consumer.ts";
import type { Headers } from "./headers.ts";
import type { Log } from "./log.ts";
import { hasMore, isDeletion, versionOf } from "./message.ts";
import { keepsOnlyLast } from "./streams.ts";
import { keyOfSubject } from "./subjects.ts";
import type { Tails } from "./tails.ts";

/** Before another session is tried; doubled while none succeeds. */
const RETRY_MS = 25;
const RETRY_MAX_MS = 1_000;

/**
 * A watch of a log: one ordered consumer after the other, each begun behind the last commit that
 * was delivered, over restarts of the server and lost connections.
 *
 * It reads all keys and lets through those with the prefix, because only so it can tell a version
 * that was compacted away from one that it does not want.
 */
export class LogWatch implements Watch {
  readonly #log: Log;
  readonly #tails: Tails | undefined;
  readonly #prefix: string;
  readonly #handler: WatchHandler;
  readonly #stopStatus: () => void;
  readonly #onEnd: () => void;
  /** False until a snapshot that was asked for is complete. */
  #following: boolean;
  /** Everything up to here has been delivered. */
  #last: Revision = 0;
  #caughtUp = false;
  #ended = false;
  #session: Session | undefined;
  #retry: NodeJS.Timeout | undefined;
  #delay = RETRY_MS;

  constructor(
    log: Log,
    tails: Tails | undefined,
    options: { prefix: string; from: Revision | "snapshot"; onEnd: () => void },
    handler: WatchHandler,
  ) {
    this.#log = log;
    this.#tails = tails;
    this.#prefix = options.prefix;
    this.#following = options.from !== "snapshot";
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
    const from = { snapshot: !this.#following, after: this.#last };
    const session = new Session(this.#log, this.#tails, from, {
      ahead: (version) => {
        if (this.#session === session && version.key.startsWith(this.#prefix)) {
          this.#call(() => this.#handler.ahead?.(version));
        }
      },
      versions: (versions, upTo) => {
        if (this.#session === session) this.#deliver(versions, upTo);
      },
      caughtUp: (upTo) => {
        if (this.#session === session) this.#catchUp(upTo);
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
    this.#retry = setTimeout(() => this.#begin(), this.#delay);
    this.#delay = Math.min(2 * this.#delay, RETRY_MAX_MS);
  }

  #endSession(): void {
    this.#session?.close();
    this.#session = undefined;
  }

  #deliver(versions: readonly Version[], upTo: Revision): void {
    this.#last = upTo;
    const wanted = this.#prefix
      ? versions.filter(({ key }) => key.startsWith(this.#prefix))
      : versions;
    for (const [index, version] of wanted.entries()) {
      if (this.#ended) return;
      const more = version.more && index < wanted.length - 1;
      const delivered = version.more === more ? version : { ...version, more };
      this.#call(() => this.#handler.version(delivered));
    }
    if (wanted.length === 0) this.#call(() => this.#handler.progress?.(upTo));
  }

  #catchUp(upTo: Revision): void {
    this.#delay = RETRY_MS;
    this.#following = true;
    this.#last = Math.max(this.#last, upTo);
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
  /** A version of a commit of which more is to come. */
  ahead(version: Version): void;
  /** One whole commit, or one version of a snapshot; all up to `upTo` has been delivered. */
  versions(versions: readonly Version[], upTo: Revision): void;
  /** All that was there at the beginning has been delivered. */
  caughtUp(upTo: Revision): void;
  /** What was asked for cannot be delivered. */
  refused(error: Error): void;
  /** Something went missing; another session may go on. */
  lost(error: Error): void;
}

/**
 * Where a session begins. A snapshot may go on where an earlier one broke off: it comes in
 * ascending order, and what is the last version of its key now and lies at or below `after` was the
 * last version then, and has been delivered.
 */
interface Begin {
  readonly snapshot: boolean;
  readonly after: Revision;
}

/** One consumer's life. */
class Session {
  readonly #log: Log;
  readonly #tails: Tails | undefined;
  readonly #begin: Begin;
  readonly #handler: SessionHandler;
  readonly #consumer: Consumer;
  #closed = false;
  /** The end of the log when the session began. */
  #head: Revision = 0;
  #pending = 0;
  #count = 0;
  #caughtUp = false;
  /** The last message that was processed. */
  #last: Revision;
  /** The commit of which more is to come. */
  #commit: Version[] = [];
  /** A gap was met; nothing behind it is delivered. */
  #broken = false;

  constructor(log: Log, tails: Tails | undefined, begin: Begin, handler: SessionHandler) {
    this.#log = log;
    this.#tails = tails;
    this.#begin = begin;
    this.#handler = handler;
    this.#last = begin.after;
    this.#consumer = new Consumer(
      log.connection,
      log.requests,
      {
        stream: log.stream,
        filter: `$KV.${log.name}.>`,
        from: begin.snapshot ? "last" : begin.after + 1,
      },
      {
        started: (pending) => this.#started(pending),
        message: (delivered) => {
          if (!this.#broken && !this.#closed) this.#take(delivered);
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
    const { snapshot, after } = this.#begin;
    if (after > this.#head) throw new FutureRevisionError(after, this.#head);
    if (!snapshot) {
      const oldest = await this.#log.oldest(info);
      if (after < oldest) throw new CompactedError(after, oldest);
    }
    if (!this.#closed) await this.#consumer.start();
  }

  #lose(error: Error): void {
    if (this.#closed) return;
    this.close();
    this.#handler.lost(error);
  }

  #started(pending: number): void {
    this.#pending = pending;
    if (pending === 0) this.#catchUp();
  }

  #take({ subject, data, headers, sequence, time }: Delivered): void {
    const inSnapshot = this.#begin.snapshot && !this.#caughtUp;
    if (!inSnapshot && sequence !== this.#last + 1 && !keepsOnlyLast(this.#log.name)) {
      this.#break(sequence);
      return;
    }
    this.#count += 1;
    if (inSnapshot && this.#isLongGone(sequence, headers)) {
      this.#last = Math.max(this.#last, sequence);
      this.#tails?.learn(keyOfSubject(subject) ?? "", { revision: sequence, live: false });
      if (this.#count >= this.#pending && !hasMore(headers)) this.#catchUp();
      return;
    }
    const version = versionOf(subject, data, headers, { sequence, time });
    if (version?.value === null) {
      this.#tails?.learn(version.key, { revision: sequence, live: false });
    }
    if (inSnapshot) this.#takeSnapshot(sequence, version);
    else this.#takeTail(sequence, version, hasMore(headers));
    // A message with more to come is never the last one: a snapshot ends with the log's end.
    if (!this.#caughtUp && this.#count >= this.#pending && !hasMore(headers)) this.#catchUp();
  }

  /**
   * A key whose deletion was there at the beginning is not part of the snapshot. A day's deletions
   * are far more than what lives: nothing else is read of them.
   */
  #isLongGone(sequence: Revision, headers: Headers): boolean {
    return sequence <= this.#head && !this.#begin.after && isDeletion(headers);
  }

  #takeSnapshot(sequence: Revision, version: Version | undefined): void {
    if (sequence <= this.#last) return;
    this.#last = sequence;
    if (!version) return;
    this.#handler.versions([version.more ? { ...version, more: false } : version], sequence);
  }

  #takeTail(sequence: Revision, version: Version | undefined, more: boolean): void {
    this.#last = sequence;
    if (version) this.#commit.push(version);
    if (more) {
      if (version) this.#handler.ahead(version);
      return;
    }
    const versions = this.#commit;
    this.#commit = [];
    this.#handler.versions(versions, sequence);
  }

  #catchUp(): void {
    this.#caughtUp = true;
    this.#last = Math.max(this.#last, this.#head);
    this.#handler.caughtUp(this.#last);
  }

  /** Revisions are missing in front of this one: compacted, or lost? */
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
