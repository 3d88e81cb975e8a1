import {
  InvalidWriteError,
  type Key,
  TooLargeError,
  VALUE_BYTES_MAX,
  WRITES_PER_COMMIT_MAX,
  type Write,
} from "./store.ts";

/**
 * Checks what every store refuses before it looks at its state.
 * @throws InvalidWriteError, TooLargeError
 */
export function checkWrites(writes: readonly Write[]): void {
  if (writes.length === 0) throw new InvalidWriteError("a commit needs at least one write");
  if (writes.length > WRITES_PER_COMMIT_MAX) {
    throw new InvalidWriteError(
      `a commit takes at most ${WRITES_PER_COMMIT_MAX} writes, not ${writes.length}`,
    );
  }
  const keys = new Set<Key>();
  for (const write of writes) {
    if (keys.has(write.key)) throw new InvalidWriteError(`${write.key} is written twice`);
    keys.add(write.key);
    if (write.value === null && write.expect === 0) {
      throw new InvalidWriteError(`${write.key}: what must not exist cannot be deleted`);
    }
    if (write.value && write.value.length > VALUE_BYTES_MAX) {
      throw new TooLargeError(
        `${write.key}: ${write.value.length} bytes; the log takes ${VALUE_BYTES_MAX}`,
      );
    }
  }
}
