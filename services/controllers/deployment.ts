/**
 * Deployment controller: brings the pods of a Deployment to its template through ReplicaSets, one
 * step per pass, each step decided on what the pass before it has led to. The step is not
 * remembered anywhere: it follows from the ReplicaSets' sizes and availability.
 */

import type { Controller, Snapshot } from "../../shared/actor/controller.ts";
import type { Action, Plan } from "../../shared/actor/plan.ts";
import type { Deployment, ReplicaSet } from "../../shared/api/generated/types.ts";
import { keyOf } from "../../shared/api/key.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { sameJson } from "../../shared/api/same.ts";
import { labelSelectorOf } from "../../shared/api/selectors.ts";
import type { Key } from "../../shared/store/store.ts";
import { historyToForget } from "./lib/deployment/history.ts";
import { recreate } from "./lib/deployment/recreate.ts";
import { type Revisions, refreshNewReplicaSet, revisionsOf } from "./lib/deployment/revision.ts";
import { rolling } from "./lib/deployment/rolling.ts";
import { needsScaling, scaleProportionally } from "./lib/deployment/scaling.ts";
import { progressDeadlineMs, statusOf } from "./lib/deployment/status.ts";
import { emptyStep, type Step } from "./lib/deployment/step.ts";
import { claim, controllerOf, controllerReference } from "./lib/owners.ts";

export const deployment: Controller = {
  name: "deployment",
  version: 1,
  primary: "deployments.apps",
  wakes: { "replicasets.apps": wokenByReplicaSet, pods: wokenByPod },
  reconcile,
};

function wokenByReplicaSet(
  object: KubernetesObject | undefined,
  old: KubernetesObject | undefined,
  at: Snapshot,
): readonly Key[] {
  const keys = new Set<Key>();
  for (const rs of [object, old]) {
    if (rs === undefined) continue;
    const controller = controllerOf(rs);
    if (controller?.kind === "Deployment") {
      keys.add(keyOf("deployments.apps", rs.metadata.namespace, controller.name));
    } else if (controller === undefined && rs.metadata.labels !== undefined) {
      for (const candidate of at.list<Deployment>("deployments.apps", rs.metadata.namespace)) {
        if (!labelSelectorOf(candidate.spec?.selector).matchesLabels(rs.metadata.labels)) continue;
        keys.add(keyOf("deployments.apps", candidate.metadata.namespace, candidate.metadata.name));
      }
    }
  }
  return [...keys];
}

/** Only the end of a pod matters, and only to Recreate: everything else shows in ReplicaSets. */
function wokenByPod(
  object: KubernetesObject | undefined,
  old: KubernetesObject | undefined,
  at: Snapshot,
): readonly Key[] {
  const ended = object === undefined || object["status"]?.phase !== old?.["status"]?.phase;
  const controller = controllerOf((object ?? old) as KubernetesObject);
  if (!ended || controller?.kind !== "ReplicaSet") return [];
  const namespace = (object ?? old)?.metadata.namespace as string;
  const rs = at.get<ReplicaSet>("replicasets.apps", namespace, controller.name);
  const owner = rs && controllerOf(rs);
  if (owner?.kind !== "Deployment") return [];
  const key = keyOf("deployments.apps", namespace, owner.name);
  return at.getKey<Deployment>(key)?.spec?.strategy?.type === "Recreate" ? [key] : [];
}

export function reconcile(key: Key, at: Snapshot): Plan {
  const deployment = at.getKey<Deployment>(key);
  if (deployment?.spec === undefined) return { actions: [] };
  const selector = labelSelectorOf(deployment.spec.selector);
  const { namespace, uid } = deployment.metadata;
  const labelled = deployment.spec.selector.matchLabels ?? {};
  const claimed = claim(
    deployment,
    at.ownedBy<ReplicaSet>("replicasets.apps", uid as string),
    at.uncontrolled<ReplicaSet>("replicasets.apps", namespace as string, labelled),
    (labels) => selector.matchesLabels(labels),
  );
  if (deployment.metadata.deletionTimestamp !== undefined) {
    return conclude(deployment, key, at, revisionsOf(deployment, claimed.owned), emptyStep());
  }
  const ownership = [
    ...claimed.orphans.map((rs) => changeOwners(rs, deployment)),
    ...claimed.strangers.map((rs) => changeOwners(rs, undefined, deployment.metadata.uid)),
  ];
  const revisions = revisionsOf(deployment, claimed.owned);
  if (ownership.length > 0) {
    const step = { ...emptyStep(), actions: ownership, reason: "adopts or releases ReplicaSets" };
    return conclude(deployment, key, at, revisions, step);
  }
  return conclude(deployment, key, at, revisions, nextStep(deployment, revisions, at));
}

function changeOwners(rs: ReplicaSet, adopter?: Deployment, releaser?: string): Action {
  const others = (rs.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== releaser);
  const ownerReferences = adopter ? [...others, controllerReference(adopter)] : others;
  return {
    op: "patch",
    key: keyOf("replicasets.apps", rs.metadata.namespace, rs.metadata.name),
    expect: rs.metadata.resourceVersion as string,
    patch: { metadata: { ownerReferences: ownerReferences.length ? ownerReferences : null } },
  };
}

/** The first step that has something to do; upstream's order. */
function nextStep(deployment: Deployment, revisions: Revisions, at: Snapshot): Step {
  const paused = deployment.spec?.paused === true;
  if (paused || needsScaling(deployment, revisions)) {
    const step = scaleProportionally(deployment, revisions);
    if (!paused || step.actions.length > 0) return step;
    return historyToForget(deployment, revisions);
  }
  const refreshed = refreshNewReplicaSet(deployment, revisions);
  if (refreshed.actions.length > 0) return refreshed;
  const advance = deployment.spec?.strategy?.type === "Recreate" ? recreate : rolling;
  const advanced = advance(deployment, revisions, at);
  const idle = advanced.actions.length === 0 && !advanced.collided;
  const step = idle ? historyToForget(deployment, revisions) : advanced;
  return { ...step, annotations: { ...refreshed.annotations, ...step.annotations } };
}

/** Adds the claim: the Deployment itself, status and revision annotation, last in the plan. */
function conclude(
  deployment: Deployment,
  key: Key,
  at: Snapshot,
  revisions: Revisions,
  step: Step,
): Plan {
  const status = statusOf(deployment, revisions, step, at.now);
  const deadline = progressDeadlineMs(deployment, status, at.now);
  const requeue = deadline === undefined ? {} : { requeueAfterMs: deadline };
  const annotations = { ...deployment.metadata.annotations, ...step.annotations };
  const sameMetadata = sameJson(annotations, deployment.metadata.annotations ?? {});
  const sameStatus = sameJson(status, deployment.status ?? {});
  if (step.actions.length === 0 && sameStatus && sameMetadata) return { actions: [], ...requeue };
  const expect = deployment.metadata.resourceVersion as string;
  const actions = [...step.actions];
  if (!sameMetadata) {
    actions.push({ op: "patch", key, expect, patch: { metadata: { annotations } } });
  }
  const object = { ...deployment, metadata: { ...deployment.metadata, annotations }, status };
  actions.push({ op: "update", key, subresource: "status", expect, claim: true, object });
  return { actions, events: step.events, reason: step.reason, ...requeue };
}
