import type { Key } from "../../shared/store/store.ts";

/**
 * Lets one write per key be under way in this replica. It only saves conflicts that the replica
 * would have with itself; correctness comes from the log's expectations.
 */
export class KeyLocks {
  readonly #waiting = new Map<Key, (() => void)[]>();

  /**
   * Takes all keys; undefined when they were free and are held at once. To be followed by one
   * `release` of the same keys.
   */
  acquire(keys: readonly Key[]): Promise<void> | undefined {
    const ordered = withoutRepeated(keys);
    if (ordered.some((key) => this.#waiting.has(key))) return this.#takeInTurn(ordered);
    for (const key of ordered) this.#waiting.set(key, []);
    return undefined;
  }

  release(keys: readonly Key[]): void {
    for (const key of withoutRepeated(keys)) this.#give(key);
  }

  /** In one order for all, so that no two callers block each other. */
  async #takeInTurn(keys: readonly Key[]): Promise<void> {
    for (const key of [...keys].sort()) await this.#take(key);
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

function withoutRepeated(keys: readonly Key[]): readonly Key[] {
  return keys.length > 1 ? [...new Set(keys)] : keys;
}
