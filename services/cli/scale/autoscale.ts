/** How many replicas an actor should have: it follows the load between bounds, without haste. */
import type { Bounds } from "../cluster.ts";

/** What waits for an actor, over all of its replicas. */
export interface Load {
  /** Keys waiting for a pass. */
  readonly queued: number;
  /** Revisions that the replica that is furthest behind has not seen yet. */
  readonly lag: number;
}

/** What is remembered from one look to the next. Times are of the monotonic clock, milliseconds. */
export interface Trend {
  readonly replicas: number;
  /** Since when it has had too much to do, without a break. */
  readonly busySince?: number;
  /** Since when one replica less would do. */
  readonly idleSince?: number;
}

/** More than this for each replica is too much. */
export const QUEUED_MAX = 100;
export const LAG_MAX = 1_000;
/** One replica less would do while each of the others had at most this. */
export const QUEUED_IDLE = 20;
export const LAG_IDLE = 100;
/** A burst is over sooner than a replica has come. */
export const BUSY_MS = 2_000;
/** Load that comes back soon finds the replicas still there. */
export const IDLE_MS = 30_000;

/** One replica more or less at a time; the time counts from the start again after each change. */
export function nextTrend(trend: Trend, load: Load, bounds: Bounds, nowMs: number): Trend {
  const { replicas } = trend;
  const within = Math.min(bounds.max, Math.max(bounds.min, replicas));
  if (within !== replicas) return { replicas: within };
  if (load.queued > QUEUED_MAX * replicas || load.lag > LAG_MAX) {
    if (replicas >= bounds.max) return { replicas };
    const { busySince = nowMs } = trend;
    return nowMs - busySince >= BUSY_MS ? { replicas: replicas + 1 } : { replicas, busySince };
  }
  if (
    replicas > bounds.min &&
    load.queued <= QUEUED_IDLE * (replicas - 1) &&
    load.lag <= LAG_IDLE
  ) {
    const { idleSince = nowMs } = trend;
    return nowMs - idleSince >= IDLE_MS ? { replicas: replicas - 1 } : { replicas, idleSince };
  }
  return { replicas };
}
