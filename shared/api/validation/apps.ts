import type {
  Deployment,
  DeploymentSpec,
  DeploymentStrategy,
  PodTemplateSpec,
  ReplicaSet,
  ReplicaSetSpec,
} from "../generated/types.ts";
import type { KubernetesObject } from "../object.ts";
import { labelSelectorOf } from "../selectors.ts";
import { Findings } from "./findings.ts";
import { percent } from "./names.ts";
import { validatePodTemplate } from "./pod-spec.ts";
import { isEmptySelector, validateLabelSelector } from "./selectors.ts";

export function validateDeployment(found: Findings, object: KubernetesObject): void {
  const spec = (object as Deployment).spec ?? ({} as DeploymentSpec);
  found.notNegative("spec.replicas", spec.replicas);
  validateSelectorAndTemplate(found, spec);
  validateStrategy(found, "spec.strategy", spec.strategy ?? {});
  found.notNegative("spec.minReadySeconds", spec.minReadySeconds);
  found.notNegative("spec.revisionHistoryLimit", spec.revisionHistoryLimit);
  const deadline = spec.progressDeadlineSeconds;
  if (deadline === undefined) return;
  found.notNegative("spec.progressDeadlineSeconds", deadline);
  if (deadline <= (spec.minReadySeconds ?? 0)) {
    found.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds");
  }
}

export function validateDeploymentUpdate(
  found: Findings,
  object: KubernetesObject,
  old: KubernetesObject,
): void {
  validateDeployment(found, object);
  const selector = (object as Deployment).spec?.selector;
  found.immutable("spec.selector", selector, (old as Deployment).spec?.selector);
}

export function validateReplicaSet(found: Findings, object: KubernetesObject): void {
  const spec = (object as ReplicaSet).spec ?? ({} as ReplicaSetSpec);
  found.notNegative("spec.replicas", spec.replicas);
  found.notNegative("spec.minReadySeconds", spec.minReadySeconds);
  validateSelectorAndTemplate(found, spec);
}

export function validateReplicaSetUpdate(
  found: Findings,
  object: KubernetesObject,
  old: KubernetesObject,
): void {
  validateReplicaSet(found, object);
  const selector = (object as ReplicaSet).spec?.selector;
  found.immutable("spec.selector", selector, (old as ReplicaSet).spec?.selector);
}

/** Whatever asks for pods by a template has to recognize them by its selector. */
function validateSelectorAndTemplate(
  found: Findings,
  { selector, template = {} }: Pick<ReplicaSetSpec, "selector" | "template">,
): void {
  const wrong = new Findings();
  if (!selector) wrong.required("spec.selector");
  else {
    validateLabelSelector(wrong, "spec.selector", selector);
    if (isEmptySelector(selector)) {
      const words = "empty selector is invalid for deployment";
      wrong.invalid("spec.selector", selector, words);
    }
    if (wrong.list.length && !isEmptySelector(selector)) {
      wrong.invalid("spec.selector", selector, "invalid label selector");
      found.add(wrong.list);
      return;
    }
  }
  found.add(wrong.list);
  const matcher = labelSelectorOf(selector);
  const labels = template.metadata?.labels;
  if (!matcher.empty && !matcher.matchesLabels(labels)) {
    const words = "`selector` does not match template `labels`";
    found.invalid("spec.template.metadata.labels", labels ?? {}, words);
  }
  validateTemplate(found, "spec.template", template);
}

function validateTemplate(found: Findings, field: string, template: PodTemplateSpec): void {
  validatePodTemplate(found, field, template);
  const { restartPolicy, activeDeadlineSeconds } = template.spec ?? {};
  found.oneOf(`${field}.spec.restartPolicy`, restartPolicy ?? "", ["Always"]);
  if (activeDeadlineSeconds !== undefined) {
    const words = "activeDeadlineSeconds in ReplicaSet is not Supported";
    found.forbidden(`${field}.spec.activeDeadlineSeconds`, words);
  }
}

function validateStrategy(found: Findings, field: string, strategy: DeploymentStrategy): void {
  const { type, rollingUpdate } = strategy;
  const at = `${field}.rollingUpdate`;
  if (type === "Recreate") {
    if (!rollingUpdate) return;
    found.forbidden(at, "may not be specified when strategy `type` is 'Recreate'");
    return;
  }
  if (type !== "RollingUpdate") {
    found.oneOf(field, strategy, ["Recreate", "RollingUpdate"]);
    return;
  }
  if (!rollingUpdate) {
    found.required(at, "this should be defaulted and never be nil");
    return;
  }
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate;
  validateCountOrPercent(found, `${at}.maxUnavailable`, maxUnavailable);
  validateCountOrPercent(found, `${at}.maxSurge`, maxSurge);
  if (amountOf(maxUnavailable) === 0 && amountOf(maxSurge) === 0) {
    found.invalid(`${at}.maxUnavailable`, maxUnavailable, "may not be 0 when `maxSurge` is 0");
  }
  if (typeof maxUnavailable === "string" && amountOf(maxUnavailable) > 100) {
    found.invalid(`${at}.maxUnavailable`, maxUnavailable, "must not be greater than 100%");
  }
}

function validateCountOrPercent(found: Findings, field: string, value: number | string): void {
  if (typeof value === "number") found.notNegative(field, value);
  else found.invalidAll(field, value, percent(value));
}

/** The number in a count or a percentage; 0 where it is neither. */
function amountOf(value: number | string): number {
  if (typeof value === "number") return value;
  return percent(value).length ? 0 : Number.parseInt(value, 10);
}

const MORE_THAN_REPLICAS = "cannot be greater than status.replicas";
const MORE_THAN_READY = "cannot be greater than readyReplicas";

type Counts = Readonly<Record<string, number | undefined>>;

function validateCounts(
  found: Findings,
  counts: Counts,
  fields: readonly string[],
  limited: readonly string[],
): void {
  for (const field of fields) found.notNegative(`status.${field}`, counts[field]);
  const { replicas = 0, readyReplicas = 0, availableReplicas = 0 } = counts;
  for (const field of limited) {
    const value = counts[field] ?? 0;
    if (value > replicas) found.invalid(`status.${field}`, value, MORE_THAN_REPLICAS);
  }
  if (availableReplicas > readyReplicas) {
    found.invalid("status.availableReplicas", availableReplicas, MORE_THAN_READY);
  }
}

export function validateReplicaSetStatus(found: Findings, object: KubernetesObject): void {
  const parts = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
  const fields = ["replicas", ...parts, "observedGeneration"];
  validateCounts(found, ((object as ReplicaSet).status ?? {}) as unknown as Counts, fields, parts);
}

export function validateDeploymentStatus(
  found: Findings,
  object: KubernetesObject,
  oldObject: KubernetesObject,
): void {
  const status = (object as Deployment).status ?? {};
  const old = (oldObject as Deployment).status ?? {};
  const parts = ["updatedReplicas", "readyReplicas", "availableReplicas"];
  const fields = ["observedGeneration", "replicas", ...parts, "unavailableReplicas"];
  const counts = status as unknown as Counts;
  validateCounts(found, counts, [...fields, "collisionCount"], parts);
  if (old.collisionCount === undefined) return;
  if (status.collisionCount === undefined || status.collisionCount < old.collisionCount) {
    found.invalid("status.collisionCount", status.collisionCount, "cannot be decremented");
  }
}

/** The body of a scale subresource. */
export function validateScale(found: Findings, object: KubernetesObject): void {
  const replicas: number | undefined = object["spec"]?.replicas;
  found.notNegative("spec.replicas", replicas);
}
