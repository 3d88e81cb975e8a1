/** Why a rollout does not get on: which pods are not there, and what holds the next step back. */
import type { Deployment, Pod, ReplicaSet } from "../../../../shared/api/generated/types.ts";
import { revisionsOf } from "../../../controllers/lib/deployment/revision.ts";
import { isComplete } from "../../../controllers/lib/deployment/status.ts";
import { maxSurge, maxUnavailable } from "../../../controllers/lib/deployment/step.ts";
import { isActive, isReady } from "../../../controllers/lib/pods.ts";
import { podTroubles } from "./pod-state.ts";

export interface Rollout {
  readonly wanted: number;
  /** Active pods of the present template, and of those the ready ones. */
  readonly updated: number;
  readonly updatedReady: number;
  /** Active pods of former templates. */
  readonly old: number;
  readonly maxSurge: number;
  readonly maxUnavailable: number;
  /** What holds it back. */
  readonly reasons: readonly string[];
  readonly unavailable: readonly { readonly pod: string; readonly troubles: readonly string[] }[];
}

/** Undefined when the rollout is complete. */
export function explainRollout(
  deployment: Deployment,
  replicaSets: readonly ReplicaSet[],
  pods: readonly Pod[],
): Rollout | undefined {
  if (isComplete(deployment, deployment.status ?? {})) return undefined;
  const ownedBy = (uid: string | undefined) => (object: ReplicaSet | Pod) =>
    object.metadata.ownerReferences?.some((owner) => owner.uid === uid) === true;
  const owned = replicaSets.filter(ownedBy(deployment.metadata.uid));
  const { current, old } = revisionsOf(deployment, owned);
  const activeOf = (rs: ReplicaSet | undefined) =>
    rs === undefined ? [] : pods.filter(ownedBy(rs.metadata.uid)).filter(isActive);
  const updated = activeOf(current);
  const former = old.flatMap(activeOf);
  const unavailable = [...updated, ...former]
    .filter((pod) => !isReady(pod))
    .map((pod) => ({ pod: pod.metadata.name, troubles: podTroubles(pod) }));
  const rollout = {
    wanted: deployment.spec?.replicas ?? 1,
    updated: updated.length,
    updatedReady: updated.filter(isReady).length,
    old: former.length,
    maxSurge: maxSurge(deployment),
    maxUnavailable: maxUnavailable(deployment),
    unavailable,
  };
  return { ...rollout, reasons: reasonsOf(deployment, current, rollout) };
}

function reasonsOf(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  rollout: Omit<Rollout, "reasons">,
): string[] {
  const { wanted, updated, updatedReady, old, unavailable } = rollout;
  const reasons: string[] = [];
  if (deployment.spec?.paused) reasons.push("it is paused (spec.paused): `kubectl rollout resume`");
  const progressing = deployment.status?.conditions?.find(({ type }) => type === "Progressing");
  if (progressing?.reason === "ProgressDeadlineExceeded") {
    const seconds = deployment.spec?.progressDeadlineSeconds;
    reasons.push(`no progress for longer than its deadline of ${seconds} s`);
  }
  const failure = deployment.status?.conditions?.find(({ type }) => type === "ReplicaFailure");
  if (failure?.status === "True") reasons.push(`pods cannot be made: ${failure.message}`);
  if (current === undefined && !deployment.spec?.paused) {
    reasons.push("the ReplicaSet of its present template does not exist yet");
  }
  const ready = updatedReady + old - unavailable.length + (updated - updatedReady);
  const least = wanted - rollout.maxUnavailable;
  const waits = unavailable.length > 0 && old > 0;
  if (waits && ready <= least) {
    reasons.push(
      `${ready} of ${wanted} pods are available, and maxUnavailable ${rollout.maxUnavailable} ` +
        `lets no more go: ${old} old pods stay`,
    );
  }
  if (waits && updated + old >= wanted + rollout.maxSurge) {
    reasons.push(
      `there are ${updated + old} pods, and maxSurge ${rollout.maxSurge} allows no more`,
    );
  }
  return reasons;
}
