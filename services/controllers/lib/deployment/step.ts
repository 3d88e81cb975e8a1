import type { Action, EventRecord } from "../../../../shared/actor/plan.ts";
import type { Deployment, ReplicaSet } from "../../../../shared/api/generated/types.ts";
import { keyOf } from "../../../../shared/api/key.ts";

/** What one pass over a Deployment does, before its status is added. */
export interface Step {
  readonly actions: readonly Action[];
  readonly events: readonly EventRecord[];
  readonly reason: string;
  /** Annotations that the Deployment is to carry. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** The ReplicaSet of the present template that this step creates. */
  readonly created?: string;
  /** The hash collided with another ReplicaSet's name: count it, and try the next. */
  readonly collided?: boolean;
}

export const DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas";
export const MAX_REPLICAS = "deployment.kubernetes.io/max-replicas";
export const REVISION = "deployment.kubernetes.io/revision";
export const REVISION_HISTORY = "deployment.kubernetes.io/revision-history";

export function emptyStep(): Step {
  return { actions: [], events: [], reason: "" };
}

/** Resizes a ReplicaSet and keeps the annotations by which a change of size is recognised. */
export function resize(deployment: Deployment, rs: ReplicaSet, replicas: number): Step {
  const from = rs.spec?.replicas ?? 0;
  const key = keyOf("replicasets.apps", rs.metadata.namespace, rs.metadata.name);
  // Without an expectation: the claim on the Deployment orders resizings, and the ReplicaSet's
  // status changes far too often to be waited for.
  const patch = {
    metadata: { uid: rs.metadata.uid, annotations: sizeAnnotations(deployment) },
    spec: { replicas },
  };
  const direction = replicas > from ? "Scaled up" : "Scaled down";
  const message = `${direction} replica set ${rs.metadata.name} from ${from} to ${replicas}`;
  return {
    actions: [{ op: "patch", key, patch }],
    events: from === replicas ? [] : [eventOf(deployment, "ScalingReplicaSet", message)],
    reason: message,
  };
}

export function sizeAnnotations(deployment: Deployment): Record<string, string> {
  const desired = deployment.spec?.replicas ?? 1;
  return {
    [DESIRED_REPLICAS]: String(desired),
    [MAX_REPLICAS]: String(desired + maxSurge(deployment)),
  };
}

export function eventOf(deployment: Deployment, reason: string, message: string): EventRecord {
  const { namespace, name, uid } = deployment.metadata;
  return {
    regarding: {
      resource: "deployments.apps",
      namespace: namespace as string,
      name,
      uid: uid as string,
    },
    type: "Normal",
    reason,
    message,
  };
}

/** Steps one after the other, as one. */
export function joined(steps: readonly Step[]): Step {
  return {
    actions: steps.flatMap((step) => step.actions),
    events: steps.flatMap((step) => step.events),
    reason: steps
      .map((step) => step.reason)
      .filter(Boolean)
      .join("; "),
  };
}

/** How many pods above spec.replicas a rollout may have. */
export function maxSurge(deployment: Deployment): number {
  return fenceposts(deployment).surge;
}

/** How many pods below spec.replicas may be unavailable during a rollout. */
export function maxUnavailable(deployment: Deployment): number {
  return Math.min(fenceposts(deployment).unavailable, deployment.spec?.replicas ?? 1);
}

/** Percentages of spec.replicas: surge rounds up, unavailable down; both zero makes it one. */
function fenceposts(deployment: Deployment): { surge: number; unavailable: number } {
  const strategy = deployment.spec?.strategy;
  if (strategy?.type === "Recreate") return { surge: 0, unavailable: 0 };
  const replicas = deployment.spec?.replicas ?? 1;
  const surge = scaled(strategy?.rollingUpdate?.maxSurge ?? "25%", replicas, Math.ceil);
  const limit = strategy?.rollingUpdate?.maxUnavailable ?? "25%";
  const unavailable = scaled(limit, replicas, Math.floor);
  return { surge, unavailable: surge === 0 && unavailable === 0 ? 1 : unavailable };
}

function scaled(value: string | number, total: number, round: (n: number) => number): number {
  if (typeof value === "number") return value;
  return round((Number.parseInt(value, 10) * total) / 100);
}
