/** ReplicaSets as revisions of a Deployment: which is the present one, and its making. */

import type { Snapshot } from "../../../../shared/actor/controller.ts";
import type { Action } from "../../../../shared/actor/plan.ts";
import type {
  Deployment,
  PodTemplateSpec,
  ReplicaSet,
} from "../../../../shared/api/generated/types.ts";
import { keyOf } from "../../../../shared/api/key.ts";
import { sameJson } from "../../../../shared/api/same.ts";
import { hashOf, nameWithSuffix } from "../names.ts";
import { controllerReference } from "../owners.ts";
import {
  emptyStep,
  eventOf,
  maxSurge,
  REVISION,
  REVISION_HISTORY,
  type Step,
  sizeAnnotations,
} from "./step.ts";

const TEMPLATE_HASH = "pod-template-hash";
/** Annotations that belong to the Deployment alone or are set per ReplicaSet. */
const NOT_COPIED = new Set([
  "kubectl.kubernetes.io/last-applied-configuration",
  REVISION,
  REVISION_HISTORY,
  "deployment.kubernetes.io/desired-replicas",
  "deployment.kubernetes.io/max-replicas",
  "deprecated.deployment.rollback.to",
]);

export interface Revisions {
  /** All ReplicaSets of the Deployment, oldest first. */
  readonly all: readonly ReplicaSet[];
  /** The one with the present template; the oldest, should there be several. */
  readonly current: ReplicaSet | undefined;
  readonly old: readonly ReplicaSet[];
}

export function revisionsOf(deployment: Deployment, owned: readonly ReplicaSet[]): Revisions {
  const all = owned.toSorted(byAge);
  const wanted = withoutHash(deployment.spec?.template);
  const current = all.find((rs) => sameJson(withoutHash(rs.spec?.template), wanted));
  return { all, current, old: all.filter((rs) => rs !== current) };
}

function byAge(a: ReplicaSet, b: ReplicaSet): number {
  const [left, right] = [a, b].map(
    ({ metadata }) => `${metadata.creationTimestamp ?? ""}/${metadata.name}`,
  ) as [string, string];
  return left < right ? -1 : left > right ? 1 : 0;
}

function withoutHash(template: PodTemplateSpec | undefined): PodTemplateSpec | undefined {
  const labels = template?.metadata?.labels;
  if (labels?.[TEMPLATE_HASH] === undefined) return template;
  const { [TEMPLATE_HASH]: _, ...others } = labels;
  return { ...template, metadata: { ...template?.metadata, labels: others } };
}

export function revisionNumber(object: ReplicaSet | Deployment): number {
  return Number(object.metadata.annotations?.[REVISION] ?? 0);
}

/** Creates the ReplicaSet of the present template. */
export function createNewReplicaSet(
  deployment: Deployment,
  revisions: Revisions,
  at: Snapshot,
): Step {
  return create(deployment, revisions, newestRevision(revisions), at);
}

function newestRevision(revisions: Revisions): number {
  return Math.max(0, ...revisions.old.map(revisionNumber)) + 1;
}

/**
 * Brings the annotations (revision, copies of the Deployment's) and minReadySeconds of the present
 * template's ReplicaSet up to date, where there is one: after an undo an old one becomes the
 * newest.
 */
export function refreshNewReplicaSet(deployment: Deployment, revisions: Revisions): Step {
  const { current } = revisions;
  return current ? refresh(deployment, current, newestRevision(revisions)) : emptyStep();
}

function create(
  deployment: Deployment,
  revisions: Revisions,
  revision: number,
  at: Snapshot,
): Step {
  const hash = hashOf(deployment.spec?.template, deployment.status?.collisionCount);
  const { namespace, name: base } = deployment.metadata;
  const name = nameWithSuffix(base, hash);
  const key = keyOf("replicasets.apps", namespace, name);
  if (at.getKey(key) !== undefined) {
    return { ...emptyStep(), collided: true, reason: `hash ${hash} is taken` };
  }
  const replicas = newReplicas(deployment, revisions);
  const action: Action = { op: "create", key, object: objectOf() };
  const message = `Scaled up replica set ${name} from 0 to ${replicas}`;
  return {
    actions: [action],
    events: replicas > 0 ? [eventOf(deployment, "ScalingReplicaSet", message)] : [],
    reason: `new template: ${name}`,
    annotations: { [REVISION]: String(revision) },
    created: name,
  };

  function objectOf(): ReplicaSet {
    const spec = deployment.spec as NonNullable<Deployment["spec"]>;
    const labels = { ...spec.template.metadata?.labels, [TEMPLATE_HASH]: hash };
    const { selector, minReadySeconds, template } = spec;
    return {
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      metadata: {
        name,
        namespace: namespace as string,
        labels,
        annotations: {
          ...copied(deployment),
          ...sizeAnnotations(deployment),
          [REVISION]: String(revision),
        },
        ownerReferences: [controllerReference(deployment)],
      },
      spec: {
        replicas,
        ...(minReadySeconds && { minReadySeconds }),
        selector: { ...selector, matchLabels: { ...selector.matchLabels, [TEMPLATE_HASH]: hash } },
        template: { ...template, metadata: { ...template.metadata, labels } },
      },
    };
  }
}

function refresh(deployment: Deployment, current: ReplicaSet, newest: number): Step {
  const annotations: Record<string, string> = {
    ...copied(deployment),
    ...sizeAnnotations(deployment),
  };
  const was = revisionNumber(current);
  const revision = Math.max(was, newest);
  annotations[REVISION] = String(revision);
  if (revision > was && was > 0) {
    const history = current.metadata.annotations?.[REVISION_HISTORY];
    annotations[REVISION_HISTORY] = history ? `${history},${was}` : String(was);
  }
  const changed = Object.entries(annotations).some(
    ([name, value]) => current.metadata.annotations?.[name] !== value,
  );
  const minReadySeconds = deployment.spec?.minReadySeconds ?? 0;
  const sameMinimum = minReadySeconds === (current.spec?.minReadySeconds ?? 0);
  const own = { [REVISION]: String(revision) };
  if (!changed && sameMinimum) return { ...emptyStep(), annotations: own };
  const key = keyOf("replicasets.apps", current.metadata.namespace, current.metadata.name);
  const spec = sameMinimum ? {} : { spec: { minReadySeconds } };
  return {
    actions: [{ op: "patch", key, patch: { metadata: { annotations }, ...spec } }],
    events: [],
    reason: `revision ${revision}: ${current.metadata.name}`,
    annotations: own,
  };
}

function copied(deployment: Deployment): Record<string, string> {
  const entries = Object.entries(deployment.metadata.annotations ?? {});
  return Object.fromEntries(entries.filter(([name]) => !NOT_COPIED.has(name)));
}

/** The size the ReplicaSet of the present template may have now, given the others' pods. */
export function newReplicas(deployment: Deployment, revisions: Revisions): number {
  const wanted = deployment.spec?.replicas ?? 1;
  const present = revisions.current?.spec?.replicas ?? 0;
  if (deployment.spec?.strategy?.type === "Recreate") return wanted;
  const total = sumOf(revisions.all, (rs) => rs.spec?.replicas ?? 0);
  const room = wanted + maxSurge(deployment) - total;
  if (room <= 0) return present;
  return present + Math.max(0, Math.min(room, wanted - present));
}

export function sumOf<T>(items: readonly T[], number: (item: T) => number): number {
  return items.reduce((sum, item) => sum + number(item), 0);
}
