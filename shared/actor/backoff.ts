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

/** Times as long as a pass took that its key rests, counted from the beginning of the pass. */
const REST_FACTOR = 10;
const REST_FROM_MICROS = 2_000;
const REST_MS_MAX = 1_000;

/**
 * How long after the beginning of a pass that took `micros` its key has the next one. Passes over
 * thousands of objects gather changes meanwhile and leave the others their share; short ones do
 * not rest.
 */
export function restMs(micros: number): number {
  return micros < REST_FROM_MICROS ? 0 : Math.min((micros * REST_FACTOR) / 1000, REST_MS_MAX);
}
