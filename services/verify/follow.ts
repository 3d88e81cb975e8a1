import type { Running } from "../../shared/actor/dependencies.ts";
import type { History } from "../../shared/log/history.ts";
import type { Runtime } from "../../shared/runtime/runtime.ts";
import type { Version } from "../../shared/store/store.ts";
import type { Snapshots } from "./snapshots.ts";
import type { Verifier, Violation } from "./verifier.ts";

/** A decision is recorded once its commit is answered: a commit is judged this much later. */
const SETTLE_MS = 3_000;
const POLL_MS = 1_000;
/** How far back the records are read each time, beyond the last reading. */
const OVERLAP_MS = 5_000;

export interface FollowOptions {
  readonly runtime: Runtime;
  readonly history: History;
  /** Continue from here; see `verifyStretch`. */
  readonly verifier: Verifier;
  readonly snapshots: Snapshots;
  readonly onViolation: (violation: Violation) => void;
  /** The log cannot be followed, or the decisions not be read, any more. */
  readonly onFailure: (error: Error) => void;
}

/** Checks what the log takes from now on, a few seconds behind it, until stopped. */
export function followLog(options: FollowOptions): Running {
  const { runtime, history, verifier, snapshots, onViolation, onFailure } = options;
  const { clock } = runtime;
  let commit: Version[] = [];
  let waiting: { readonly commit: readonly Version[]; readonly since: number }[] = [];
  let readUpTo = clock.now() - OVERLAP_MS;
  let busy = false;
  let stopped = false;
  const check = async (): Promise<void> => {
    const until = clock.monotonic() - SETTLE_MS;
    const settled = waiting.filter(({ since }) => since <= until);
    if (settled.length === 0) return;
    const now = clock.now();
    await snapshots.readRecent(readUpTo - OVERLAP_MS, now + OVERLAP_MS);
    if (stopped) return;
    readUpTo = now;
    waiting = waiting.slice(settled.length);
    for (const each of settled) {
      const { violations } = verifier.next(each.commit, (trace) => snapshots.of(trace));
      violations.forEach(onViolation);
    }
  };
  const cancel = runtime.timers.every(POLL_MS, () => {
    if (busy) return;
    busy = true;
    check()
      .catch((error: Error) => {
        if (!stopped) onFailure(error);
      })
      .finally(() => {
        busy = false;
      });
  });
  const watch = history.logs.cluster.watch("", verifier.revision, {
    version: (version) => {
      commit.push(version);
      if (version.more) return;
      waiting.push({ commit, since: clock.monotonic() });
      commit = [];
    },
    failed: (error) => {
      if (!stopped) onFailure(error);
    },
  });
  return {
    stop: async () => {
      stopped = true;
      cancel();
      watch.stop();
    },
  };
}
