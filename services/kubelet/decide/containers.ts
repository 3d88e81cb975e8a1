import type { Pod } from "../../../shared/api/generated/types.ts";
import { formatDuration, restartOf } from "./backoff.ts";
import { containerHash, type NamedContainer, podTitle, restartsAfter } from "./spec.ts";
import type {
  KillContainer,
  ObservedContainer,
  ObservedPod,
  ObservedSandbox,
  PodEffect,
  PodSnapshot,
  StartContainer,
  StartFailure,
} from "./types.ts";

/** What one pass over a pod's containers has found out so far. */
export interface Findings {
  readonly effects: PodEffect[];
  /** Why a container that should run does not, by its name. */
  readonly waiting: Map<string, WaitingState>;
  /** The next time at which something is due. */
  dueAt: number;
  /** An init container has failed for good. */
  failed: boolean;
}

export function newFindings(): Findings {
  return { effects: [], waiting: new Map(), dueAt: Number.POSITIVE_INFINITY, failed: false };
}

/**
 * The remains of starts that were called off because the kubelet or the runtime died meanwhile:
 * nobody was told why they failed. They never ran, so that their successors are no restarts.
 */
export function calledOff(snapshot: PodSnapshot): readonly ObservedContainer[] {
  const { observed, refused, underWay } = snapshot;
  return observed.containers.filter(
    ({ id, name, state, reason, startedAt }) =>
      state === "exited" &&
      reason === "StartError" &&
      startedAt === 0 &&
      !refused.has(id) &&
      !underWay.has(`start/${name}`),
  );
}

/** The newest container of that name. */
export function newestContainer(
  observed: ObservedPod,
  name: string,
): ObservedContainer | undefined {
  return observed.containers.find((one) => one.name === name);
}

/** The newest container of that name; with `sandbox`, only among those in it. */
export function newest(
  snapshot: PodSnapshot,
  name: string,
  sandbox?: string,
): ObservedContainer | undefined {
  return snapshot.observed.containers.find(
    (one) => one.name === name && (sandbox === undefined || one.sandbox === sandbox),
  );
}

/** Whether the container has passed its startup probe, or has none. */
export function hasStarted(
  snapshot: PodSnapshot,
  { kind, spec }: NamedContainer,
  container: ObservedContainer,
): boolean {
  if (container.state !== "running") return false;
  if (kind === "sidecar" && snapshot.underWay.has(`start/${spec.name}`)) return false;
  if (!spec.startupProbe) return true;
  return snapshot.probes[container.id]?.startup === "success";
}

/** Whether the container counts as ready for traffic. */
export function isReady(
  snapshot: PodSnapshot,
  named: NamedContainer,
  container: ObservedContainer,
): boolean {
  if (!hasStarted(snapshot, named, container)) return false;
  if (!named.spec.readinessProbe) return true;
  return snapshot.probes[container.id]?.readiness === "success";
}

/**
 * Asks for the container to be started, unless it has failed lately (then it waits) or is being
 * started. `before` is the run that ended, if any.
 */
export function start(
  snapshot: PodSnapshot,
  findings: Findings,
  sandbox: ObservedSandbox,
  { spec }: NamedContainer,
  before: ObservedContainer | undefined,
): void {
  const { pod, now } = snapshot;
  let nextBackoffMs = 0;
  if (before && before.state !== "created") {
    const restart = restartOf(before);
    nextBackoffMs = restart.nextBackoffMs;
    if (restart.at > now) {
      findings.dueAt = Math.min(findings.dueAt, restart.at);
      findings.waiting.set(spec.name, crashLoop(pod, spec.name, before.backoffMs));
      return;
    }
  }
  const failure = snapshot.failures[spec.name];
  if (failure) {
    findings.waiting.set(spec.name, waitingFor(failure));
    if (failure.retryAt > now) {
      findings.dueAt = Math.min(findings.dueAt, failure.retryAt);
      return;
    }
  }
  const created = before?.state === "created" && before.sandbox === sandbox.id;
  const restartCount = restartCountAfter(snapshot, spec.name, before, created);
  const effect: StartContainer = {
    kind: "startContainer",
    name: spec.name,
    sandbox: sandbox.id,
    restartCount,
    attempt: Math.max(restartCount, nextAttempt(snapshot, spec.name)),
    backoffMs: nextBackoffMs,
    ...(created ? { created: before.id } : {}),
  };
  findings.effects.push(effect);
}

function nextAttempt({ observed, nextAttempts }: PodSnapshot, name: string): number {
  let next = nextAttempts[name] ?? 0;
  for (const one of observed.containers) {
    if (one.name === name) next = Math.max(next, one.attempt + 1);
  }
  return next;
}

/** The waiting state that a failed start leads to. */
export function waitingFor({ reason, message }: StartFailure): WaitingState {
  return message === "" ? { reason } : { reason, message };
}

export interface WaitingState {
  readonly reason: string;
  readonly message?: string;
}

/**
 * The count that a new container starts with. Where its predecessor is no longer to be found, the
 * count that the API has is the only witness.
 */
function restartCountAfter(
  snapshot: PodSnapshot,
  name: string,
  before: ObservedContainer | undefined,
  created: boolean,
): number {
  if (created && before) return before.restartCount;
  if (before) return before.restartCount + 1;
  const status = snapshot.pod.status;
  const reported = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  const old = reported.find((one) => one.name === name);
  if (!old?.containerID) return 0;
  // Reported while it was being made, or before its start was known to be called off.
  const { waiting, terminated } = old.state ?? {};
  const ran = waiting?.reason !== "ContainerCreating" && terminated?.reason !== "StartError";
  return old.restartCount + (ran ? 1 : 0);
}

function crashLoop(pod: Pod, name: string, waitMs: number): { reason: string; message: string } {
  const wait = formatDuration(waitMs);
  return {
    reason: "CrashLoopBackOff",
    message: `back-off ${wait} restarting failed container=${name} pod=${podTitle(pod)}`,
  };
}

/** Why a running container has to be killed now, if it has to. */
export function killReason(
  snapshot: PodSnapshot,
  named: NamedContainer,
  container: ObservedContainer,
): KillContainer | undefined {
  const { spec } = named;
  const probes = snapshot.probes[container.id];
  const restarts = restartsAfter(snapshot.pod, named, 137) ? ", will be restarted" : "";
  const kill = (message: string, graceSeconds: number): KillContainer => ({
    kind: "killContainer",
    id: container.id,
    name: spec.name,
    graceSeconds,
    order: "unhealthy",
    message,
  });
  const grace = graceSecondsOf(snapshot.pod);
  if (container.hash !== "" && container.hash !== containerHash(spec)) {
    return kill(`Container ${spec.name} definition changed, will be restarted`, grace);
  }
  if (probes?.liveness === "failure") {
    return kill(
      `Container ${spec.name} failed liveness probe${restarts}`,
      probes.graceSeconds ?? grace,
    );
  }
  if (probes?.startup === "failure") {
    return kill(
      `Container ${spec.name} failed startup probe${restarts}`,
      probes.graceSeconds ?? grace,
    );
  }
  return undefined;
}

export function graceSecondsOf(pod: Pod): number {
  return pod.spec?.terminationGracePeriodSeconds ?? 30;
}
