import type { Pod, PodStatus } from "../../../shared/api/generated/types.ts";

/**
 * What the kubelet's pure decisions are made on, and what they answer. Times are milliseconds since
 * the epoch; time is data (`now`), so a decision can be made again.
 */
export interface PodSnapshot {
  readonly pod: Pod;
  readonly observed: ObservedPod;
  /** By container id. */
  readonly probes: Readonly<Record<string, ProbeStates>>;
  readonly volumes: VolumeState;
  /** The last failure to start a container, by its name; gone once it has started. */
  readonly failures: Readonly<Record<string, StartFailure>>;
  /** Ids of containers that this kubelet asked to start, and was told why they cannot. */
  readonly refused: ReadonlySet<string>;
  /** By the container's name: attempts below this are taken, though the runtime may hide them. */
  readonly nextAttempts: Readonly<Record<string, number>>;
  readonly sandboxFailure?: RetryState & {
    /** Attempts below this are taken, though the runtime does not show them. */
    readonly nextAttempt?: number;
  };
  /** Keys (`effectKey`) of the effects that are being carried out. */
  readonly underWay: ReadonlySet<string>;
  /** The node's addresses, the primary one first. */
  readonly hostIPs: readonly string[];
  /** What container ids begin with: `containerd`. */
  readonly runtimeName: string;
  readonly now: number;
}

/** The pod as its runtime shows it. Both lists have the newest first. */
export interface ObservedPod {
  readonly sandboxes: readonly ObservedSandbox[];
  readonly containers: readonly ObservedContainer[];
}

export interface ObservedSandbox {
  readonly id: string;
  readonly attempt: number;
  readonly ready: boolean;
  readonly createdAt: number;
  readonly ips: readonly string[];
}

export interface ObservedContainer {
  readonly id: string;
  readonly name: string;
  readonly sandbox: string;
  /** What tells it from others of its name in the runtime; grows. */
  readonly attempt: number;
  /** How often the container had been restarted when this one was made. */
  readonly restartCount: number;
  readonly state: "created" | "running" | "exited" | "unknown";
  readonly createdAt: number;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
  readonly image: string;
  readonly imageID: string;
  /** `containerHash` of the spec that it was made from. */
  readonly hash: string;
  /** How long its successor must wait after its end (written down when it was made). */
  readonly backoffMs: number;
}

export type ProbeState = "unknown" | "success" | "failure";

/** Absent: there is no such probe. */
export interface ProbeStates {
  readonly startup?: ProbeState;
  readonly liveness?: ProbeState;
  readonly readiness?: ProbeState;
  /** The grace period that the failed liveness or startup probe asks for, seconds. */
  readonly graceSeconds?: number;
}

export interface VolumeState {
  readonly ready: boolean;
  /** When the next attempt is due, after a failure. */
  readonly retryAt?: number;
  /** True once everything was taken down again. */
  readonly tornDown?: boolean;
}

export interface RetryState {
  readonly retryAt: number;
}

export interface StartFailure extends RetryState {
  /** As the waiting state shows it: `ErrImagePull`, `CreateContainerConfigError`. */
  readonly reason: string;
  readonly message: string;
  readonly at: number;
}

export interface PodDecision {
  readonly effects: readonly PodEffect[];
  readonly status: PodStatus;
  /** Decide again after this long, even if nothing happens. */
  readonly requeueAfterMs?: number;
}

export type PodEffect =
  | { readonly kind: "prepareVolumes" }
  | { readonly kind: "createSandbox"; readonly attempt: number }
  | { readonly kind: "stopSandbox"; readonly id: string }
  | { readonly kind: "removeSandbox"; readonly id: string }
  | StartContainer
  | KillContainer
  | { readonly kind: "removeContainer"; readonly id: string }
  /** Unmounts the volumes and removes the pod's cgroup. */
  | { readonly kind: "tearDown" }
  /** Deletes the Pod object for good. */
  | { readonly kind: "deletePod" };

export interface StartContainer {
  readonly kind: "startContainer";
  readonly name: string;
  readonly sandbox: string;
  readonly restartCount: number;
  /** The restart count, or more where the remains of called-off starts still hold that. */
  readonly attempt: number;
  /** What the next one will have to wait, should this one end. */
  readonly backoffMs: number;
  /** A container that was made already and only has to be started. */
  readonly created?: string;
}

export interface KillContainer {
  readonly kind: "killContainer";
  readonly id: string;
  readonly name: string;
  readonly graceSeconds: number;
  /** Tells a second, more urgent order for the same container from the first. */
  readonly order: string;
  /** For the Killing event. */
  readonly message: string;
}

/** Names an effect while it is carried out; the same key is not begun twice. */
export function effectKey(effect: PodEffect): string {
  switch (effect.kind) {
    case "startContainer":
      return `start/${effect.name}`;
    case "killContainer":
      return `kill/${effect.id}/${effect.order}`;
    case "stopSandbox":
    case "removeSandbox":
    case "removeContainer":
      return `${effect.kind}/${effect.id}`;
    default:
      return effect.kind;
  }
}
