/** A Deployment's status and conditions, in upstream's reasons and words. */
import type {
  Deployment,
  DeploymentCondition,
  DeploymentStatus,
} from "../../../../shared/api/generated/types.ts";
import { formatTime, parseTime } from "../../../../shared/api/time.ts";
import { type Revisions, sumOf } from "./revision.ts";
import { maxUnavailable, type Step } from "./step.ts";

/** The counts are the ReplicaSets' own; they follow the pods by one pass of theirs. */
export function statusOf(
  deployment: Deployment,
  revisions: Revisions,
  step: Step,
  now: number,
): DeploymentStatus {
  const { all, current } = revisions;
  const total = sumOf(all, (rs) => rs.spec?.replicas ?? 0);
  const available = sumOf(all, (rs) => rs.status?.availableReplicas ?? 0);
  const collisions = (deployment.status?.collisionCount ?? 0) + (step.collided ? 1 : 0);
  const counts = {
    replicas: sumOf(all, (rs) => rs.status?.replicas ?? 0),
    updatedReplicas: current?.status?.replicas ?? 0,
    readyReplicas: sumOf(all, (rs) => rs.status?.readyReplicas ?? 0),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, total - available),
    terminatingReplicas: sumOf(all, (rs) => rs.status?.terminatingReplicas ?? 0),
    observedGeneration: deployment.metadata.generation ?? 0,
    collisionCount: collisions,
  };
  const status: DeploymentStatus = Object.fromEntries(
    Object.entries(counts).filter(([, count]) => count !== 0),
  );
  status.conditions = conditionsOf(deployment, status, revisions, step, now);
  return status;
}

/** Every pod is of the present template and available, and none is left over. */
export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const wanted = deployment.spec?.replicas ?? 1;
  return (
    (status.updatedReplicas ?? 0) === wanted &&
    (status.replicas ?? 0) === wanted &&
    (status.availableReplicas ?? 0) === wanted &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

function conditionsOf(
  deployment: Deployment,
  status: DeploymentStatus,
  revisions: Revisions,
  step: Step,
  now: number,
): DeploymentCondition[] {
  const conditions = [...(deployment.status?.conditions ?? [])];
  const minimum = (deployment.spec?.replicas ?? 1) - maxUnavailable(deployment);
  const enough = (status.availableReplicas ?? 0) >= minimum;
  set(conditions, now, {
    type: "Available",
    status: enough ? "True" : "False",
    reason: enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
    message: enough
      ? "Deployment has minimum availability."
      : "Deployment does not have minimum availability.",
  });
  const progress = progressOf(deployment, status, revisions, step, now);
  if (progress !== undefined) set(conditions, now, progress.condition, progress.touch);
  return conditions;
}

interface Progress {
  readonly condition: DeploymentCondition;
  /** Something moved: the deadline starts anew. */
  readonly touch: boolean;
}

function progressOf(
  deployment: Deployment,
  status: DeploymentStatus,
  revisions: Revisions,
  step: Step,
  now: number,
): Progress | undefined {
  const { name } = deployment.metadata;
  const seconds = deployment.spec?.progressDeadlineSeconds;
  const present = deployment.status?.conditions?.find(({ type }) => type === "Progressing");
  const condition = (value: string, reason: string, message: string) => ({
    type: "Progressing",
    status: value,
    reason,
    message,
  });
  if (seconds === undefined || seconds >= 2147483647) return undefined;
  if (deployment.spec?.paused) {
    if (present?.reason === "DeploymentPaused") return undefined;
    return {
      condition: condition("Unknown", "DeploymentPaused", "Deployment is paused"),
      touch: true,
    };
  }
  if (present?.reason === "DeploymentPaused") {
    return {
      condition: condition("Unknown", "DeploymentResumed", "Deployment is resumed"),
      touch: true,
    };
  }
  const subject = revisions.current
    ? `ReplicaSet "${revisions.current.metadata.name}"`
    : `Deployment "${name}"`;
  if (step.created !== undefined) {
    const message = `Created new replica set "${step.created}"`;
    return { condition: condition("True", "NewReplicaSetCreated", message), touch: true };
  }
  if (isComplete(deployment, status)) {
    const message = `${subject} has successfully progressed.`;
    return { condition: condition("True", "NewReplicaSetAvailable", message), touch: false };
  }
  if (hasProgressed(deployment, status)) {
    const message = `${subject} is progressing.`;
    return { condition: condition("True", "ReplicaSetUpdated", message), touch: true };
  }
  if (present === undefined) {
    const message = `${subject} is progressing.`;
    return { condition: condition("True", "ReplicaSetUpdated", message), touch: true };
  }
  const since = parseTime(present.lastUpdateTime) ?? now;
  if (present.reason !== "NewReplicaSetAvailable" && now >= since + seconds * 1000) {
    const message = `${subject} has timed out progressing.`;
    return { condition: condition("False", "ProgressDeadlineExceeded", message), touch: false };
  }
  if (present.reason === "NewReplicaSetAvailable" && revisions.current === undefined) {
    const message = `${subject} is progressing.`;
    return { condition: condition("True", "ReplicaSetUpdated", message), touch: true };
  }
  return undefined;
}

/** More updated, more ready or available, or fewer old pods than the status said before. */
function hasProgressed(deployment: Deployment, next: DeploymentStatus): boolean {
  const old = deployment.status ?? {};
  const oldPods = (status: DeploymentStatus) =>
    (status.replicas ?? 0) - (status.updatedReplicas ?? 0);
  return (
    (next.updatedReplicas ?? 0) > (old.updatedReplicas ?? 0) ||
    oldPods(next) < oldPods(old) ||
    (next.readyReplicas ?? 0) > (old.readyReplicas ?? 0) ||
    (next.availableReplicas ?? 0) > (old.availableReplicas ?? 0)
  );
}

function set(
  conditions: DeploymentCondition[],
  now: number,
  next: DeploymentCondition,
  touch = false,
): void {
  const time = formatTime(now);
  const index = conditions.findIndex(({ type }) => type === next.type);
  const present = conditions[index];
  if (present === undefined) {
    conditions.push({ ...next, lastUpdateTime: time, lastTransitionTime: time });
    return;
  }
  const same = present.status === next.status && present.reason === next.reason;
  if (same && !touch) return;
  const transition = present.status === next.status ? present.lastTransitionTime : undefined;
  conditions[index] = {
    ...next,
    lastUpdateTime: time,
    lastTransitionTime: transition ?? time,
  };
}

/**
 * Milliseconds until the progress deadline has to be looked at again; undefined: it need not be.
 */
export function progressDeadlineMs(
  deployment: Deployment,
  status: DeploymentStatus,
  now: number,
): number | undefined {
  const seconds = deployment.spec?.progressDeadlineSeconds;
  const progressing = status.conditions?.find(({ type }) => type === "Progressing");
  if (seconds === undefined || seconds >= 2147483647 || deployment.spec?.paused) return undefined;
  if (progressing === undefined || isComplete(deployment, status)) return undefined;
  if (progressing.reason === "ProgressDeadlineExceeded") return undefined;
  const since = parseTime(progressing.lastUpdateTime) ?? now;
  return Math.max(1000, since + seconds * 1000 - now);
}
