/**
 * The compaction actor: forgets what the log no longer has to remember (DESIGN D2). Clients of the
 * Kubernetes API get five minutes of history, by the projection's window; the log itself keeps a
 * day for the questions that one asks later.
 */
import type { ActorDependencies, Running } from "../../shared/actor/dependencies.ts";
import type { Membership } from "../../shared/actor/membership.ts";
import type { Store } from "../../shared/store/store.ts";

export interface CompactionConfig {
  readonly stores: Readonly<Record<string, Store>>;
  /** Any number of replicas run; the one that owns a log compacts it. */
  readonly membership: Membership;
  /** How far back the log can be read, milliseconds. Default: a day. */
  readonly horizonMs?: number;
  /** Default: five minutes. */
  readonly everyMs?: number;
}

const HORIZON_MS = 24 * 3_600_000;
const EVERY_MS = 5 * 60_000;

/** Compacts each log again and again until stopped. */
export function startCompaction(
  { runtime, logger }: ActorDependencies,
  { stores, membership, horizonMs = HORIZON_MS, everyMs = EVERY_MS }: CompactionConfig,
): Running {
  let running = false;
  const pass = async (): Promise<void> => {
    if (running) return;
    running = true;
    for (const [name, store] of Object.entries(stores)) {
      if (!membership.owns(name)) continue;
      try {
        const revision = await store.revisionBefore(runtime.clock.now() - horizonMs);
        if (revision > 0) await store.compact(revision);
        logger.debug({ log: name, revision }, "compacted");
      } catch (error) {
        // The log is away or busy; the next pass takes up what this one leaves.
        logger.warn({ err: error, log: name }, "compaction failed");
      }
    }
    running = false;
  };
  const cancel = runtime.timers.every(everyMs, () => void pass());
  return {
    stop: async () => {
      cancel();
      membership.leave();
    },
  };
}
