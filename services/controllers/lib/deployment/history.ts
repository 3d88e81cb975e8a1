/** revisionHistoryLimit: old ReplicaSets without pods are forgotten once a rollout is complete. */
import type { Deployment, ReplicaSet } from "../../../../shared/api/generated/types.ts";
import { keyOf } from "../../../../shared/api/key.ts";
import { type Revisions, revisionNumber } from "./revision.ts";
import { isComplete } from "./status.ts";
import { emptyStep, type Step } from "./step.ts";

export function historyToForget(deployment: Deployment, revisions: Revisions): Step {
  const limit = deployment.spec?.revisionHistoryLimit ?? 10;
  const kept = revisions.old.filter((rs) => rs.metadata.deletionTimestamp === undefined);
  const excess = kept.length - limit;
  if (excess <= 0 || !isComplete(deployment, deployment.status ?? {})) return emptyStep();
  const forgotten = kept
    .toSorted((a, b) => revisionNumber(a) - revisionNumber(b))
    .slice(0, excess)
    .filter(isEmpty);
  return {
    ...emptyStep(),
    reason: forgotten.length > 0 ? "revision history limit" : "",
    actions: forgotten.map((rs) => ({
      op: "delete",
      key: keyOf("replicasets.apps", rs.metadata.namespace, rs.metadata.name),
      uid: rs.metadata.uid as string,
      expect: rs.metadata.resourceVersion as string,
    })),
  };
}

function isEmpty(rs: ReplicaSet): boolean {
  const observed = (rs.status?.observedGeneration ?? 0) >= (rs.metadata.generation ?? 0);
  return (rs.spec?.replicas ?? 0) === 0 && (rs.status?.replicas ?? 0) === 0 && observed;
}
