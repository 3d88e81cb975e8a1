import type { Key } from "./store.ts";
import type { Entry } from "./view.ts";

/**
 * So many new entries are put in order together, or such a part of all. Each time moves all entries
 * behind them once; ten thousand at a time held up whoever came first.
 */
const PENDING_LEAST = 256;
const PENDING_PART = 32;

/** Stands where an entry was: the order of the keys holds, and the entry is let go. */
class Gap {
  readonly key: Key;

  constructor(key: Key) {
    this.key = key;
  }
}

/**
 * Entries in key order. `list` hands out the array itself; the next change after that copies the
 * array (not the entries), so a reader may keep what it was given for as long as it likes.
 */
export class SortedEntries {
  #entries: (Entry | Gap)[] = [];
  /** How many are gaps: removing many costs moving the others once. */
  #gaps = 0;
  /** New keys that have not been put in order yet. */
  #pending: Entry[] = [];
  #shared = false;

  get size(): number {
    return this.#entries.length - this.#gaps + this.#pending.length;
  }

  /** Adds an entry whose key is not there yet. */
  add(entry: Entry): void {
    this.#pending.push(entry);
    const most = Math.max(PENDING_LEAST, this.#entries.length / PENDING_PART);
    if (this.#pending.length >= most) this.#settle();
  }

  /** Replaces the entry of the same key, which must be there. */
  replace(entry: Entry): void {
    this.#settle();
    const index = this.#indexOf(entry.key);
    this.#own();
    this.#entries[index] = entry;
  }

  remove(key: Key): void {
    this.#settle();
    const index = this.#indexOf(key);
    const present = this.#entries[index];
    if (present?.key !== key || present instanceof Gap) return;
    this.#own();
    this.#entries[index] = new Gap(key);
    this.#gaps += 1;
    if (this.#gaps * 2 > this.#entries.length) this.#close();
  }

  list(): readonly Entry[] {
    this.#settle();
    this.#close();
    this.#shared = true;
    return this.#entries as Entry[];
  }

  #settle(): void {
    if (this.#pending.length === 0) return;
    const pending = this.#pending;
    this.#pending = [];
    this.#own();
    pending.sort(byKey);
    this.#merge(pending);
  }

  #close(): void {
    if (this.#gaps === 0) return;
    this.#entries = this.#entries.filter((entry) => !(entry instanceof Gap));
    this.#gaps = 0;
    this.#shared = false;
  }

  /**
   * From the end, so that each entry moves once; comparing only where the new ones belong. One that
   * has come back stands in front of its gap, where `#indexOf` finds it first.
   */
  #merge(sorted: readonly Entry[]): void {
    const entries = this.#entries;
    let end = entries.length;
    let free = end + sorted.length;
    for (const entry of sorted) entries.push(entry);
    for (let next = sorted.length - 1; next >= 0; next--) {
      const entry = sorted[next] as Entry;
      const start = this.#indexOf(entry.key, end);
      while (end > start) entries[--free] = entries[--end] as Entry;
      entries[--free] = entry;
    }
  }

  #own(): void {
    if (!this.#shared) return;
    this.#entries = this.#entries.slice();
    this.#shared = false;
  }

  /** Where the key is, or where it belongs, among the first `count` entries. */
  #indexOf(key: Key, count = this.#entries.length): number {
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle] as Entry).key < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export function byKey(a: Entry, b: Entry): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
