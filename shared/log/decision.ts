import type { Plan } from "../actor/plan.ts";
import type { Key, Revision } from "../store/store.ts";

/** Version of the record's shape; a reader refuses what is newer than itself. */
export const DECISION_FORMAT = 1;

/**
 * One pass of one actor over one key that did or tried something (DESIGN D12). Published on the
 * stream `decisions`, subject `decisions.<actor>.<replica>`. Passes that do nothing are counted.
 */
export interface DecisionRecord {
  readonly format: typeof DECISION_FORMAT;
  readonly trace: string;
  readonly actor: string;
  readonly replica: string;
  readonly version: number;
  readonly key: Key;
  /** Snapshot revision and clock of the decision: what replay rebuilds it from. */
  readonly decidedAt: Revision;
  readonly now: number;
  readonly cause: Revision;
  readonly plan: Plan;
  readonly outcome: "committed" | "refused" | "failed";
  /** Last revision written, when committed. */
  readonly revision?: Revision;
  /** Why it was refused or failed. */
  readonly message?: string;
  /** How long the decision took, microseconds; the commit is not in it. */
  readonly micros: number;
}
