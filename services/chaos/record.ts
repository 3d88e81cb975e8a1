import type { Violation } from "../verify/verifier.ts";

/** What happened in a chaos run: the report is made of it, and it is the JSON beside it. */
export interface ChaosRecord {
  readonly format: 1;
  /** The fault file, as it was named. */
  readonly file: string;
  readonly seed: number;
  /** Milliseconds since the Unix epoch, as all moments in here. */
  readonly from: number;
  readonly to: number;
  /** Why it ended before its time. */
  readonly aborted?: string;
  readonly cluster: {
    readonly runtime: string;
    readonly durability: string;
    readonly nodes: number;
  };
  /** What of the fault file cannot be done on a live cluster. */
  readonly unsupported: readonly string[];
  readonly faults: readonly FaultEvent[];
  /** Strikes that the limits forbade. */
  readonly spared: number;
  readonly processes: readonly Line<ProcessState>[];
  /** By actor: how many replicas were at work. */
  readonly actors: readonly Line<number>[];
  readonly scalings: readonly { readonly at: number; readonly what: string }[];
  readonly rollouts: readonly Rollout[];
  /** One a second. */
  readonly samples: readonly Sample[];
  readonly invariants: readonly InvariantResult[];
  readonly violations: readonly Violation[];
  /** Revisions of the run on which no invariant could be checked. */
  readonly unchecked: number;
  readonly writes: {
    readonly acknowledged: number;
    readonly failed: number;
    /** Names of objects whose creation was acknowledged and that are not there. */
    readonly lost: readonly string[];
    /** The longest time without an acknowledgement. */
    readonly longestGapMs: number;
  };
  /** By actor, and of all together. */
  readonly recovery: readonly RecoveryRow[];
  /** What the figures are made of: kills after which there was something to do. */
  readonly recovered: readonly Recovered[];
}

/** How an actor of a process that was killed was taken over. */
export interface Recovered {
  readonly actor: string;
  readonly process: string;
  /** When it was killed. */
  readonly at: number;
  /** Milliseconds until somebody went on; absent: there was nothing to go on with. */
  readonly ms?: number;
}

/** A fault that happened to one process. */
export interface FaultEvent {
  readonly kind: string;
  readonly process: string;
  readonly at: number;
  /** When it ends; absent for what is over at once. */
  readonly until?: number;
  readonly detail: string;
}

/** How something was during the run; between spans it was not there. */
export interface Line<State> {
  readonly name: string;
  readonly spans: readonly Span<State>[];
}

export interface Span<State> {
  readonly from: number;
  readonly to: number;
  readonly state: State;
}

export type ProcessState = "up" | "starting" | "paused" | "down";

export interface Rollout {
  readonly name: string;
  readonly from: number;
  /** Absent: it had not completed when the run ended. */
  readonly to?: number;
}

export interface Sample {
  readonly at: number;
  /** Pods that the Deployments want, and that they have available. */
  readonly wanted: number;
  readonly available: number;
  /** Writes that were acknowledged, and that were not, since the sample before. */
  readonly written: number;
  readonly refused: number;
  /** Commits of the cluster log since the sample before. */
  readonly commits: number;
}

export interface InvariantResult {
  readonly name: string;
  readonly promise: string;
  readonly broken: number;
}

/** From the kill of a process to the first work of another on what was the dead one's. */
export interface RecoveryRow {
  readonly actor: string;
  readonly kills: number;
  /** Kills after which there was such work to do. */
  readonly measured: number;
  readonly p50: number;
  readonly p99: number;
  readonly worst: number;
}

/** True when the run found nothing wrong. */
export function isGood(record: ChaosRecord): boolean {
  const { aborted, violations, unchecked, writes, rollouts } = record;
  const stuck = rollouts.some(({ to }) => to === undefined);
  const broken = violations.length + unchecked + writes.lost.length;
  return aborted === undefined && broken === 0 && !stuck;
}
