import type { ObservedContainer } from "./types.ts";

/** First wait between two runs of a container that ends; it doubles up to the most. */
export const RESTART_BASE_MS = 10_000;
export const RESTART_MOST_MS = 300_000;
/** A run as long as this makes earlier failures forgotten. */
const FORGET_AFTER_MS = 2 * RESTART_MOST_MS;

export interface Restart {
  /** Not before this time. */
  readonly at: number;
  /** What the new container writes down for its own successor. */
  readonly nextBackoffMs: number;
}

/**
 * When a container that has ended may run again. The first restart is immediate, the second waits
 * 10 s, then 20 s and so on. The wait is written on each container when it is made, so the rule
 * needs no memory of its own and survives the kubelet.
 */
export function restartOf(ended: ObservedContainer): Restart {
  const ranMs = ended.finishedAt - (ended.startedAt || ended.finishedAt);
  const forgotten = ranMs >= FORGET_AFTER_MS;
  const waitMs = forgotten ? 0 : ended.backoffMs;
  const end = ended.finishedAt || ended.createdAt;
  return { at: end + waitMs, nextBackoffMs: nextBackoff(waitMs) };
}

function nextBackoff(waitMs: number): number {
  return waitMs === 0 ? RESTART_BASE_MS : Math.min(waitMs * 2, RESTART_MOST_MS);
}

/** Image pulls that fail: the wait after the `failures`-th. */
export function pullBackoffMs(failures: number): number {
  return Math.min(RESTART_BASE_MS * 2 ** Math.min(failures - 1, 10), RESTART_MOST_MS);
}

/** A duration as Go prints it: `10s`, `1m20s`, `5m0s`. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = `${seconds % 60}s`;
  if (hours > 0) return `${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${minutes}m${rest}` : rest;
}
