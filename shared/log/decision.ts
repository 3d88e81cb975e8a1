import type { Plan } from "../actor/plan.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { Key, Revision } from "../store/store.ts";

/** Version of the record's shape; a reader refuses what is newer than itself. */
export const DECISION_FORMAT = 3;

/**
 * One pass of one actor over one key that did or tried something (DESIGN D12). Published on the
 * stream `decisions`, subject `decisions.<actor>.<replica>`. Passes that do nothing are counted.
 */
export interface DecisionRecord {
  /** 1: without `seen`. 2: without it where a kubelet wrote a status. */
  readonly format: 1 | 2 | typeof DECISION_FORMAT;
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
  /** Absent: it follows from the cluster log at `decidedAt`, from `now` and the key. */
  readonly seen?: SeenBeside;
}

/** What a decision was made on beside the cluster log, so that it can be made again. */
export interface SeenBeside {
  /** Revision of the cluster log, where `decidedAt` is of another log. */
  readonly cluster?: Revision;
  /** What was looked at in other logs, which keep no past; null: there was no such object. */
  readonly objects?: Readonly<Record<Key, KubernetesObject | null>>;
  /** Of the scheduler: the pass that decided this pod with others. */
  readonly pass?: SchedulingPass;
  /** Of a kubelet: what it knew of the pod or the node; see services/kubelet/redecide.ts. */
  readonly node?: Readonly<Record<string, unknown>>;
}

export interface SchedulingPass {
  /** Counts the passes of a replica. */
  readonly number: number;
  /** Whole in the first record of the pass, left out in the others. */
  readonly whole?: {
    /** The pods that were decided, in order: each saw the ones before it placed. */
    readonly pods: readonly Key[];
    /** Pods that were placed by earlier passes, but not yet seen bound, and where. */
    readonly assumed: readonly (readonly [pod: Key, node: string])[];
  };
}
