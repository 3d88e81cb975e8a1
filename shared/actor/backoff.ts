import type { RandomStream } from "../runtime/runtime.ts";

export interface BackoffOptions {
  /** Upper bound of the first wait, milliseconds; it doubles with each attempt. */
  readonly baseMs: number;
  /** No wait is longer. */
  readonly maxMs: number;
}

/**
 * How long to wait before attempt `attempt` (1: the first repetition): doubling, bounded, and
 * spread over its upper half, so that those who failed together do not return together.
 */
export function backoffMs(
  attempt: number,
  { baseMs, maxMs }: BackoffOptions,
  random: RandomStream,
): number {
  const bound = Math.min(maxMs, baseMs * 2 ** Math.min(attempt - 1, 40));
  return bound * (0.5 + random.next() / 2);
}
