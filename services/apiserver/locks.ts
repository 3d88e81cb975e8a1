import type { Key } from "../../shared/store/store.ts";

/**
 * Lets one write per key be under way in this replica. It only saves conflicts that the replica
 * would have with itself; correctness comes from the log's expectations.
 */
export class KeyLocks {
  readonly #waiting = new Map<Key, (() => void)[]>();

  /** Resolves when all keys are held. Keys are taken in order, so that no two callers block. */
  async acquire(keys: readonly Key[]): Promise<() => void> {
    const ordered = keys.length > 1 ? [...new Set(keys)].sort() : keys;
    for (const key of ordered) await this.#take(key);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      for (const key of ordered) this.#give(key);
    };
  }

  #take(key: Key): Promise<void> | undefined {
    const queue = this.#waiting.get(key);
    if (queue === undefined) {
      this.#waiting.set(key, []);
      return undefined;
    }
    return new Promise((resolve) => queue.push(resolve));
  }

  #give(key: Key): void {
    const next = this.#waiting.get(key)?.shift();
    if (next === undefined) this.#waiting.delete(key);
    else next();
  }
}
