import {
  CompactedError,
  type Key,
  type Revision,
  type Store,
  type Version,
} from "../store/store.ts";
import type { DecisionRecord } from "./decision.ts";

/**
 * The past of a cluster, to be read: its logs, and what its actors decided. Of a running cluster
 * (nats/history.ts), or of a file (recording.ts).
 */
export interface History {
  /** Each has revisions of its own; those of `cluster` are what people mean. */
  readonly logs: Readonly<Record<"cluster" | "events" | "leases", ReadableLog>>;
  /** The version of the cluster log at exactly this revision; undefined when it is gone. */
  version(revision: Revision): Promise<Version | undefined>;
  /** Every version of one key of the cluster log that is still kept, deletions too. */
  versionsOf(key: Key): Promise<Version[]>;
  /** Records that were written in a stretch of time, oldest first. */
  decisions(range: DecisionRange): Promise<DecisionRecord[]>;
  /** The same, one by one: there may be more than fit into memory. */
  eachDecision(range: DecisionRange, take: (record: DecisionRecord) => void): Promise<void>;
  close(): Promise<void>;
}

/** The part of a store that reads. */
export type ReadableLog = Pick<Store, "head" | "revisionBefore" | "get" | "list" | "watch">;

export interface DecisionRange {
  readonly actor?: string;
  /** Only together with `actor`. */
  readonly replica?: string;
  /** Milliseconds since the Unix epoch, by the clock of whoever decided; both are included. */
  readonly from: number;
  readonly to: number;
}

/**
 * Calls `take` for each version above `after` and at or below `to`, in log order; resolves when all
 * have been taken.
 * @throws CompactedError, FutureRevisionError
 */
export function readVersions(
  log: ReadableLog,
  range: { readonly after: Revision; readonly to: Revision; readonly prefix?: string },
  take: (version: Version) => void,
): Promise<void> {
  const { after, to, prefix = "" } = range;
  if (after >= to) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const end = (error?: unknown): void => {
      // The first call may come before `watch` has returned.
      queueMicrotask(() => watch.stop());
      if (error === undefined) resolve();
      else reject(error);
    };
    const watch = log.watch(prefix, after, {
      version: (version) => {
        try {
          if (version.revision <= to) take(version);
        } catch (error) {
          end(error);
        }
        if (version.revision >= to) end();
      },
      progress: (revision) => {
        if (revision >= to) end();
      },
      caughtUp: (revision) => {
        if (revision >= to) end();
      },
      failed: reject,
    });
  });
}

/** The oldest revision whose state can still be read. */
export async function horizonOf(log: ReadableLog): Promise<Revision> {
  try {
    // A key that cannot exist: only whether the question is allowed matters.
    await log.get("namespaces/_/-", 0);
    return 0;
  } catch (error) {
    if (error instanceof CompactedError) return error.oldest;
    throw error;
  }
}
