/** A turn of the event loop that took less had nothing to do, milliseconds. */
const EMPTY_TURN_MS = 0.03;

/**
 * Resolves when the event loop has nothing else to do, at the latest after `limitMs`. What one
 * request costs is mostly the way there and back; while the process is busy others are about to
 * come that can go with it. A process at rest loses one turn of its loop, some microseconds.
 */
export async function lull(limitMs: number): Promise<void> {
  const end = performance.now() + limitMs;
  for (let start = performance.now(); ; ) {
    await new Promise((resolve) => setImmediate(resolve));
    const now = performance.now();
    if (now - start < EMPTY_TURN_MS || now >= end) return;
    start = now;
  }
}
