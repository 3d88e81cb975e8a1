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
  readonly processes: readonly ProcessLine[];
  readonly scalings: readonly { readonly at: number; readonly what: string }[];
  readonly rollouts: readonly Rollout[];
  /** One a second. */
  readonly samples: readonly Sample[];
  readonly invariants: readonly InvariantResult[];
  readonly violations: readonly Violation[];
  readonly writes: {
    readonly acknowledged: number;
    readonly failed: number;
    /** Names of objects whose creation was acknowledged and that are not there. */
    readonly lost: readonly string[];
    /** The longest time without an acknowledgement. */
    readonly longestGapMs: number;
  };
  readonly recovery: readonly RecoveryRow[];
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

export interface ProcessLine {
  readonly name: string;
  readonly spans: readonly ProcessSpan[];
}

export interface ProcessSpan {
  readonly from: number;
  readonly to: number;
  readonly state: "up" | "starting" | "paused" | "down";
}

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
export function isGood({ aborted, violations, writes, rollouts }: ChaosRecord): boolean {
  const stuck = rollouts.some(({ to }) => to === undefined);
  return aborted === undefined && violations.length === 0 && writes.lost.length === 0 && !stuck;
}
