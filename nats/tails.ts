import type { Key, Revision } from "../shared/store/store.ts";

/** The last message of a key. */
export interface Tail {
  readonly revision: Revision;
  readonly live: boolean;
}

const TAILS_MAX = 65_536;

/**
 * What is known of the last messages of keys: those written here, deletions seen, and what the log
 * said when it was asked. Only hints, and a bounded number of them: the log has the last word. They
 * are needed because the server compares with the last message, and for it a deletion is one.
 */
export class Tails {
  readonly #tails = new Map<Key, Tail>();

  get(key: Key): Tail | undefined {
    return this.#tails.get(key);
  }

  /** Remembers the newer of what is known and this. */
  learn(key: Key, tail: Tail): void {
    const known = this.#tails.get(key);
    if (known && known.revision > tail.revision) return;
    this.#tails.delete(key);
    this.#tails.set(key, tail);
    if (this.#tails.size <= TAILS_MAX) return;
    const [oldest] = this.#tails.keys();
    if (oldest !== undefined) this.#tails.delete(oldest);
  }

  /** The log has no message of the key. */
  forget(key: Key): void {
    this.#tails.delete(key);
  }

  /** What a write's expectation is for the server: a sequence, 0 for "no message at all". */
  expectedSequence(key: Key, expect: Revision): Revision {
    if (expect > 0) return expect;
    const tail = this.#tails.get(key);
    return tail && !tail.live ? tail.revision : 0;
  }
}
