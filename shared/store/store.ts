/**
 * The storage contract: everything that the control plane asks of what Kubernetes keeps in etcd.
 *
 * A store is one totally ordered log of versions of keys. Implementations: `memory.ts` (the
 * reference) and `nats/store.ts` (JetStream). One conformance suite (test/store) runs against both.
 * Values are opaque bytes here; only the projection knows that they are JSON.
 */

/**
 * Position in the log, and Kubernetes' `resourceVersion`. Whole, starts at 1, grows with every
 * message. 0 means "before everything": as an expectation, "the key must not exist".
 */
export type Revision = number;

/**
 * `<group resource>/<namespace or _>/<name>`, with the group resource as Kubernetes prints it:
 * `pods/default/web-1`, `deployments.apps/default/web`, `nodes/_/node-1`. See `shared/api/key.ts`.
 */
export type Key = string;

/**
 * Who wrote a version and why; stored with it, served to `cox why`, never to Kubernetes clients.
 */
export interface WriteHeaders {
  /** Actor name, or `user` for a request that came over HTTPS. */
  readonly actor: string;
  /** Replica of the actor, or the user's name. */
  readonly replica: string;
  /** ULID of the request or decision that this write belongs to; equal for all writes of a plan. */
  readonly trace: string;
  /** Revision of the version that caused the decision; 0 when a person or a clock did. */
  readonly cause: Revision;
}

export interface Write {
  readonly key: Key;
  /**
   * The new version, or null to delete the key. An unconditional delete of a key that does not
   * exist is written like any other; followers see a deletion of what they do not have.
   */
  readonly value: Uint8Array | null;
  /**
   * Revision of the key's version that this write replaces; 0: the key must not exist (never
   * existed, or deleted). Absent: unconditional (only for keys that nothing else guards).
   */
  readonly expect?: Revision;
}

/** One version of one key, as every follower of the log sees it, in log order. */
export interface Version {
  readonly revision: Revision;
  readonly key: Key;
  /** null: the key was deleted here. */
  readonly value: Buffer | null;
  readonly headers: WriteHeaders;
  /** When the log took it, milliseconds since the Unix epoch. */
  readonly time: number;
  /**
   * True on every version but the last of an atomic commit of several writes, so that a follower
   * may apply the commit whole.
   */
  readonly more: boolean;
}

export interface Watch {
  /** Stops the delivery; no call of the handler follows. */
  stop(): void;
}

export interface WatchHandler {
  version(version: Version): void;
  /**
   * A version has come of whose commit more is to come: `version` follows when all is here, with
   * the same object or one like it, or never, when the rest does not come. For work that can be
   * done before.
   */
  ahead?(version: Version): void;
  /** All that was in the log when the watch began has been delivered, up to this revision. */
  caughtUp?(revision: Revision): void;
  /** The log has reached this revision, and nothing new up to it has the prefix. */
  progress?(revision: Revision): void;
  /** The watch ended by itself; `CompactedError` when it fell behind a compaction. */
  failed(error: Error): void;
}

export interface Store {
  /**
   * Commits the writes as one: either all are in the log, on consecutive revisions in the given
   * order, durable, or none is. A key may appear once. At most `WRITES_PER_COMMIT_MAX` writes.
   * @returns the revision of each write.
   * @throws ConflictError when an expectation does not hold (nothing was written; it names one of
   *   those that do not),
   *   InvalidWriteError, TooLargeError, UnavailableError (nothing was written),
   *   UnknownOutcomeError (the connection was lost and stayed lost: look before trying again).
   */
  commit(writes: readonly Write[], headers: WriteHeaders): Promise<Revision[]>;

  /** The last revision of the log at some moment after the call: linearizable (a read barrier). */
  head(): Promise<Revision>;

  /**
   * The last revision that the log took before `time` (milliseconds since the Unix epoch); 0 when
   * what is left of the log is younger.
   */
  revisionBefore(time: number): Promise<Revision>;

  /**
   * The key's version as of `at` (default: now); undefined when it did not exist then.
   * @throws CompactedError, FutureRevisionError
   */
  get(key: Key, at?: Revision): Promise<Version | undefined>;

  /**
   * Live keys with the prefix as of `at` (default: now), in key order, and the revision the list
   * is exact at. `prefix` is a whole number of key segments, e.g. `pods/` or `pods/default/`, or
   * ``.
   * @throws CompactedError, FutureRevisionError
   */
  list(prefix: string, at?: Revision): Promise<{ revision: Revision; versions: Version[] }>;

  /**
   * Delivers versions in log order. `from: "snapshot"`: first the last version of each live key
   * (ascending by revision), then all that follows. `from: N`: every version above N.
   * Every revision is delivered at most once, in order, with no version left out, over reconnects.
   * `Version.more` speaks of the versions that the prefix lets through; false in a snapshot.
   * `failed` gets CompactedError, or FutureRevisionError when `from` is beyond the log's end.
   */
  watch(prefix: string, from: Revision | "snapshot", handler: WatchHandler): Watch;

  /**
   * Forgets versions that are not needed to read at `revision` or above: those replaced at or
   * below it, and deletions at or below it. Reads and watches from below it fail with
   * CompactedError from then on, for every user of the log. Going back does nothing.
   * @throws FutureRevisionError
   */
  compact(revision: Revision): Promise<void>;

  /** Ends the use of the store: pending commits settle first. */
  close(): Promise<void>;
}

/** JetStream takes at most this many messages in an atomic batch. */
export const WRITES_PER_COMMIT_MAX = 1000;

/** Largest value in bytes: the server's limit of 4 MiB a message, less 16 KiB for headers. */
export const VALUE_BYTES_MAX = 4 * 1024 * 1024 - 16 * 1024;

export class StoreError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/**
 * An expectation did not hold. `actual` is the key's present revision, 0 when it does not exist.
 */
export class ConflictError extends StoreError {
  readonly key: Key;
  readonly expected: Revision;
  readonly actual: Revision;
  constructor(key: Key, expected: Revision, actual: Revision) {
    super(`${key}: expected revision ${expected}, found ${actual}`);
    this.key = key;
    this.expected = expected;
    this.actual = actual;
  }
}

/** The revision was compacted; the oldest that can be read is `oldest`. */
export class CompactedError extends StoreError {
  readonly asked: Revision;
  readonly oldest: Revision;
  constructor(asked: Revision, oldest: Revision) {
    super(`revision ${asked} has been compacted; the oldest available is ${oldest}`);
    this.asked = asked;
    this.oldest = oldest;
  }
}

/** The revision lies beyond the log's end. */
export class FutureRevisionError extends StoreError {
  readonly asked: Revision;
  readonly head: Revision;
  constructor(asked: Revision, head: Revision) {
    super(`revision ${asked} is in the future; the log ends at ${head}`);
    this.asked = asked;
    this.head = head;
  }
}

/** A value is larger than the log takes. */
export class TooLargeError extends StoreError {}
/** The writes contradict the contract: no writes, too many, or a key twice. */
export class InvalidWriteError extends StoreError {}
/** The log cannot be reached; nothing was written. */
export class UnavailableError extends StoreError {}
/**
 * The connection broke after the write was sent, and whether it was taken could not be found out.
 */
export class UnknownOutcomeError extends StoreError {}
