import type { Pod } from "../../../shared/api/generated/types.ts";
import { calledOff, type Findings } from "./containers.ts";
import { podContainers } from "./spec.ts";
import { podStatus, type Verdict } from "./status.ts";
import { syncPod } from "./sync.ts";
import { terminatePod } from "./terminate.ts";
import {
  effectKey,
  type ObservedContainer,
  type PodDecision,
  type PodEffect,
  type PodSnapshot,
} from "./types.ts";

/**
 * The kubelet's decision on one pod: what to do on the node and what to report, from everything
 * that is known of it. Pure: it may be made at any time, any number of times, and by a kubelet that
 * has just started and remembers nothing.
 */
export function reconcilePod(observed: PodSnapshot): PodDecision {
  const { pod, now } = observed;
  const deadline = activeDeadline(pod);
  const verdict = verdictOf(pod, deadline, now);
  const terminal = pod.metadata.deletionTimestamp !== undefined || verdict !== undefined;
  const remains = terminal ? [] : calledOff(observed);
  const snapshot = remains.length === 0 ? observed : withoutContainers(observed, remains);
  const findings = terminal ? terminatePod(snapshot) : syncPod(snapshot);
  if (!terminal) collectRemains(snapshot, findings);
  for (const { id } of remains) findings.effects.unshift({ kind: "removeContainer", id });
  if (deadline !== undefined && !terminal) findings.dueAt = Math.min(findings.dueAt, deadline);
  const failed: Verdict | undefined = findings.failed ? { phase: "Failed" } : undefined;
  // A pod that is being deleted is final only once nothing of it runs.
  const over = terminal && !snapshot.observed.containers.some((one) => one.state === "running");
  const status = podStatus(snapshot, findings, {
    terminal: over,
    ...(verdict ? { verdict } : failed ? { verdict: failed } : {}),
  });
  return {
    effects: withoutRepetition(findings.effects, snapshot.underWay),
    status,
    ...(Number.isFinite(findings.dueAt)
      ? { requeueAfterMs: Math.max(0, findings.dueAt - now) }
      : {}),
  };
}

/**
 * The decision on what runs on the node though its pod no longer exists: it is stopped, and every
 * trace of it removed.
 */
export function reconcileRemoved(snapshot: PodSnapshot): readonly PodEffect[] {
  const findings = terminatePod(snapshot);
  const stopping = findings.effects.filter((effect) => effect.kind !== "deletePod");
  if (stopping.length > 0) return withoutRepetition(stopping, snapshot.underWay);
  const removals = snapshot.observed.sandboxes.map(
    ({ id }): PodEffect => ({ kind: "removeSandbox", id }),
  );
  return withoutRepetition(removals, snapshot.underWay);
}

function withoutContainers(snapshot: PodSnapshot, left: readonly ObservedContainer[]): PodSnapshot {
  const { observed } = snapshot;
  const containers = observed.containers.filter((one) => !left.includes(one));
  const nextAttempts = { ...snapshot.nextAttempts };
  for (const { name, attempt } of left) {
    nextAttempts[name] = Math.max(nextAttempts[name] ?? 0, attempt + 1);
  }
  return { ...snapshot, observed: { ...observed, containers }, nextAttempts };
}

/** When the pod's time is up, if it has a limit. */
function activeDeadline(pod: Pod): number | undefined {
  const seconds = pod.spec?.activeDeadlineSeconds;
  const start = pod.status?.startTime;
  if (seconds === undefined || !start) return undefined;
  return Date.parse(start) + seconds * 1000;
}

/** Why the pod as a whole has ended, if it has. */
function verdictOf(pod: Pod, deadline: number | undefined, now: number): Verdict | undefined {
  const { phase, reason, message } = pod.status ?? {};
  if (phase === "Failed" || phase === "Succeeded") {
    return { phase, ...(reason ? { reason } : {}), ...(message ? { message } : {}) };
  }
  if (deadline === undefined || now < deadline) return undefined;
  return {
    phase: "Failed",
    reason: "DeadlineExceeded",
    message: "Pod was active on the node longer than the specified deadline",
  };
}

/**
 * Of each container the present run and the one before are kept (for `logs --previous` and the last
 * state); a sandbox is kept as long as a container in it is.
 */
function collectRemains(snapshot: PodSnapshot, findings: Findings): void {
  const { containers, sandboxes } = snapshot.observed;
  const known = new Set(podContainers(snapshot.pod).map(({ spec }) => spec.name));
  const kept = new Set<string>();
  for (const name of new Set(containers.map((one) => one.name))) {
    const runs = containers.filter((one) => one.name === name);
    const dead = runs.slice(1).filter((one) => one.state !== "running");
    const surplus = known.has(name) ? dead.slice(1) : dead;
    for (const { id } of surplus) findings.effects.push({ kind: "removeContainer", id });
    for (const run of runs) if (!surplus.includes(run)) kept.add(run.sandbox);
  }
  for (const sandbox of sandboxes.slice(1)) {
    if (sandbox.ready) findings.effects.push({ kind: "stopSandbox", id: sandbox.id });
    else if (!kept.has(sandbox.id))
      findings.effects.push({ kind: "removeSandbox", id: sandbox.id });
  }
}

function withoutRepetition(
  effects: readonly PodEffect[],
  underWay: ReadonlySet<string>,
): readonly PodEffect[] {
  return effects.filter((effect) => !underWay.has(effectKey(effect)));
}
