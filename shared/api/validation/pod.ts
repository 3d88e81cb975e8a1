import type {
  Binding,
  Container,
  ContainerStatus,
  Pod,
  PodSpec,
  Toleration,
} from "../generated/types.ts";
import type { KubernetesObject } from "../object.ts";
import { isDualStack, validateAddress } from "./addresses.ts";
import { validateTolerations } from "./affinity.ts";
import { validateImagePadding } from "./containers.ts";
import { differences, sameMeaning } from "./equal.ts";
import { type Findings, INT32_MAX } from "./findings.ts";
import { dnsSubdomain } from "./names.ts";
import { MIRROR_ANNOTATION, validatePodAnnotations, validatePodSpec } from "./pod-spec.ts";

const EMPTY: PodSpec = { containers: [] };

function validatePod(found: Findings, pod: Pod): void {
  const spec = pod.spec ?? EMPTY;
  validatePodAnnotations(found, "metadata.annotations", pod.metadata.annotations, spec);
  validatePodSpec(found, "spec", spec, pod.metadata.name);
  if (!spec.serviceAccountName) {
    spec.volumes?.forEach(({ projected }, index) => {
      projected?.sources?.forEach(({ serviceAccountToken }, sourceIndex) => {
        if (!serviceAccountToken) return;
        const source = `spec.volumes[${index}].projected.sources[${sourceIndex}]`;
        const words = "must not be specified when serviceAccountName is not set";
        found.forbidden(`${source}.serviceAccountToken`, words);
      });
    });
  }
  for (const list of ["containers", "initContainers"] as const) {
    spec[list]?.forEach((container, index) => {
      validateImagePadding(found, `spec.${list}[${index}]`, container);
    });
  }
}

export function validatePodCreate(found: Findings, object: KubernetesObject): void {
  const pod = object as Pod;
  validatePod(found, pod);
  if (pod.spec?.ephemeralContainers?.length) {
    found.forbidden("spec.ephemeralContainers", "cannot be set on create");
  }
  if (pod.spec?.nodeName && pod.spec.schedulingGates?.length) {
    const words = "cannot be set until all schedulingGates have been cleared";
    found.forbidden("spec.nodeName", words);
  }
}

const CHANGEABLE =
  "pod updates may not change fields other than `spec.containers[*].image`," +
  "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` " +
  "(only additions to existing tolerations),`spec.terminationGracePeriodSeconds` " +
  "(allow it to be set to 1 if it was previously negative)";

export function validatePodUpdate(
  found: Findings,
  object: KubernetesObject,
  oldObject: KubernetesObject,
): void {
  const pod = object as Pod;
  const old = oldObject as Pod;
  const spec = pod.spec ?? EMPTY;
  const oldSpec = old.spec ?? EMPTY;
  validatePod(found, pod);
  validateMirrorUpdate(found, pod, old);
  for (const list of ["containers", "initContainers"] as const) {
    if (!validateSameContainers(found, `spec.${list}`, spec[list], oldSpec[list])) return;
  }
  if (!validateDeadline(found, spec.activeDeadlineSeconds, oldSpec.activeDeadlineSeconds)) return;
  validateAddedTolerations(found, spec.tolerations, oldSpec.tolerations);
  validateRemovedGates(found, spec, oldSpec);
  if (sameMeaning(spec, oldSpec)) return;
  const masked = withChangeableOf(spec, oldSpec);
  if (oldSpec.schedulingGates?.length) validateGated(found, masked, oldSpec);
  if (sameMeaning(masked, oldSpec)) return;
  const what = differences(oldSpec, masked, "spec").join("\n");
  found.forbidden("spec", `${CHANGEABLE}\n${what}`);
}

function validateMirrorUpdate(found: Findings, pod: Pod, old: Pod): void {
  const value = pod.metadata.annotations?.[MIRROR_ANNOTATION];
  const before = old.metadata.annotations?.[MIRROR_ANNOTATION];
  if (value === before) return;
  const verb = before === undefined ? "add" : "remove or update";
  const field = `metadata.annotations[${MIRROR_ANNOTATION}]`;
  found.forbidden(field, `may not ${verb} mirror pod annotation`);
}

/** Answers whether the lists correspond, so that it makes sense to go on. */
function validateSameContainers(
  found: Findings,
  field: string,
  containers: readonly Container[] = [],
  old: readonly Container[] = [],
): boolean {
  if (containers.length !== old.length) {
    found.forbidden(field, "pod updates may not add or remove containers");
    return false;
  }
  containers.forEach((container, index) => {
    if (!container.image) found.required(`${field}[${index}].image`);
    validateImagePadding(found, `${field}[${index}]`, container);
  });
  return true;
}

/** A deadline may be set, or brought forward. */
function validateDeadline(
  found: Findings,
  seconds: number | undefined,
  old: number | undefined,
): boolean {
  const field = "spec.activeDeadlineSeconds";
  if (seconds === undefined) {
    if (old === undefined) return true;
    found.invalid(field, null, "must not update from a positive integer to nil value");
    return true;
  }
  const before = found.list.length;
  found.range(field, seconds, 0, INT32_MAX);
  if (found.list.length === before && old !== undefined && old < seconds) {
    found.invalid(field, seconds, "must be less than or equal to previous value");
  }
  return found.list.length === before;
}

function validateAddedTolerations(
  found: Findings,
  tolerations: readonly Toleration[] = [],
  old: readonly Toleration[] = [],
): void {
  const timeless = (toleration: Toleration) => ({ ...toleration, tolerationSeconds: undefined });
  const kept = old.every((before) =>
    tolerations.some((toleration) => sameMeaning(timeless(toleration), timeless(before))),
  );
  if (!kept) {
    const words = "existing toleration can not be modified except its tolerationSeconds";
    found.forbidden("spec.tolerations", words);
    return;
  }
  validateTolerations(found, "spec.tolerations", tolerations);
}

function validateRemovedGates(found: Findings, spec: PodSpec, old: PodSpec): void {
  spec.schedulingGates?.forEach(({ name }, index) => {
    if (old.schedulingGates?.some((gate) => gate.name === name)) return;
    const words = `only deletion is allowed, but found new scheduling gate '${name}'`;
    found.forbidden(`spec.schedulingGates[${index}].name`, words);
  });
}

/** The new spec with the old values of what may change: the rest has to be the same. */
function withChangeableOf(spec: PodSpec, old: PodSpec): PodSpec {
  const imagesOf = (list: "containers" | "initContainers") =>
    (spec[list] ?? []).map((container, index) => ({
      ...container,
      image: old[list]?.[index]?.image as string,
    }));
  const masked = { ...spec, containers: imagesOf("containers") } as Record<string, unknown>;
  if (spec.initContainers) masked["initContainers"] = imagesOf("initContainers");
  for (const field of ["activeDeadlineSeconds", "tolerations", "schedulingGates"] as const) {
    masked[field] = old[field];
  }
  const grace = old.terminationGracePeriodSeconds ?? 0;
  if (grace < 0 && spec.terminationGracePeriodSeconds === 1) {
    masked["terminationGracePeriodSeconds"] = grace;
  }
  return masked as unknown as PodSpec;
}

/** As long as a pod is held back, it may be restricted to fewer nodes. */
function validateGated(found: Findings, masked: PodSpec, old: PodSpec): void {
  const selector = masked.nodeSelector ?? {};
  const kept = Object.entries(old.nodeSelector ?? {}).every(([k, v]) => selector[k] === v);
  if (!kept) {
    const words = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
    found.invalid("spec.nodeSelector", selector, words);
  }
  const mutable = masked as { nodeSelector?: unknown; affinity?: unknown };
  mutable.nodeSelector = old.nodeSelector;
  const terms = masked.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const before = old.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const field = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution";
  const newTerms = terms?.nodeSelectorTerms ?? [];
  const oldTerms = before?.nodeSelectorTerms ?? [];
  if (oldTerms.length && oldTerms.length !== newTerms.length) {
    const words = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
    found.invalid(`${field}.nodeSelectorTerms`, newTerms, words);
  } else {
    oldTerms.forEach((term, index) => {
      const next = newTerms[index] ?? {};
      const added = (["matchExpressions", "matchFields"] as const).every((part) =>
        sameMeaning(next[part]?.slice(0, term[part]?.length ?? 0), term[part]),
      );
      if (added && (!sameMeaning(term, {}) || sameMeaning(next, {}))) return;
      const words = "only additions are allowed (no mutations or deletions)";
      found.invalid(`${field}.nodeSelectorTerms[${index}]`, next, words);
    });
  }
  const nodeAffinity = old.affinity?.nodeAffinity;
  mutable.affinity = { ...masked.affinity, nodeAffinity };
}

const SYSTEM_CONDITIONS = ["PodScheduled", "Ready", "Initialized"];

export function validatePodStatusUpdate(
  found: Findings,
  object: KubernetesObject,
  oldObject: KubernetesObject,
): void {
  const { metadata, spec = EMPTY, status = {} } = object as Pod;
  const { metadata: oldMetadata, spec: oldSpec = EMPTY, status: old = {} } = oldObject as Pod;
  validateMirrorUpdate(found, { metadata } as Pod, { metadata: oldMetadata } as Pod);
  status.conditions?.forEach(({ type }, index) => {
    if (SYSTEM_CONDITIONS.includes(type)) return;
    found.qualifiedName(`metadata.conditions[${index}].Type`, type ?? "");
  });
  if ((spec.nodeName ?? "") !== (oldSpec.nodeName ?? "")) {
    found.forbidden("status.nodeName", "may not be changed directly");
  }
  const nominated = status.nominatedNodeName;
  if (nominated && nominated !== old.nominatedNodeName) {
    found.invalidAll("status.nominatedNodeName", nominated, dnsSubdomain(nominated));
  }
  found.immutable("status.qosClass", status.qosClass, old.qosClass);
  for (const list of [
    "containerStatuses",
    "initContainerStatuses",
    "ephemeralContainerStatuses",
  ] as const) {
    const policy = list === "ephemeralContainerStatuses" ? "Never" : oldSpec.restartPolicy;
    validateTransitions(found, `status.${list}`, status[list], old[list], policy, oldSpec);
  }
  validateAddresses(found, "status.podIPs", status.podIPs);
  if (status.hostIPs?.length && status.hostIP !== status.hostIPs[0]?.ip) {
    const words = "must be equal to `hostIP`";
    found.invalid("status.hostIPs[0].ip", status.hostIPs[0]?.ip, words);
  }
  validateAddresses(found, "status.hostIPs", status.hostIPs);
}

/** A container that is not to be restarted does not come back. */
function validateTransitions(
  found: Findings,
  field: string,
  statuses: readonly ContainerStatus[] = [],
  old: readonly ContainerStatus[] = [],
  podPolicy: string | undefined,
  spec: PodSpec,
): void {
  old.forEach(({ name, state }, index) => {
    if (!state?.terminated) return;
    const all = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
    const container = all.find((candidate) => candidate.name === name);
    const policy = container?.restartPolicy ?? podPolicy;
    if (policy === "Always" || container?.restartPolicyRules?.length) return;
    if (policy === "OnFailure" && state.terminated.exitCode !== 0) return;
    const next = statuses.find((status) => status.name === name);
    if (!next || next.state?.terminated) return;
    const words = "may not be transitioned to non-terminated state";
    found.forbidden(`${field}[${index}].state`, words);
  });
}

function validateAddresses(
  found: Findings,
  field: string,
  addresses: readonly { readonly ip: string }[] = [],
): void {
  addresses.forEach(({ ip }, index) => {
    validateAddress(found, `${field}[${index}]`, ip ?? "");
  });
  if (addresses.length < 2) return;
  const texts = addresses.map(({ ip }) => ip);
  if (addresses.length > 2 || !isDualStack(texts)) {
    found.invalid(field, addresses, "may specify no more than one IP for each IP family");
  }
  texts.forEach((ip, index) => {
    if (texts.indexOf(ip) < index) found.duplicate(`${field}[${index}]`, addresses[index]);
  });
}

/** pods/ephemeralcontainers: they may be added, but neither changed nor removed. */
export function validateEphemeralUpdate(
  found: Findings,
  object: KubernetesObject,
  oldObject: KubernetesObject,
): void {
  const pod = object as Pod;
  const old = oldObject as Pod;
  if (old.metadata.annotations?.[MIRROR_ANNOTATION] !== undefined) {
    found.forbidden("", "static pods do not support ephemeral containers");
    return;
  }
  validatePod(found, pod);
  const field = "spec.ephemeralContainers";
  for (const before of old.spec?.ephemeralContainers ?? []) {
    const now = pod.spec?.ephemeralContainers?.find(({ name }) => name === before.name);
    const what = `existing ephemeral containers "${before.name}" may not be`;
    if (!now) found.forbidden(field, `${what} removed\n`);
    else if (!sameMeaning(now, before)) {
      found.forbidden(field, `${what} changed\n${differences(before, now, field).join("\n")}`);
    }
  }
}

/** The body of pods/binding. */
export function validateBinding(found: Findings, object: KubernetesObject): void {
  const { target } = object as Binding;
  if (target?.kind) found.oneOf("target.kind", target.kind, ["Node", "<empty>"]);
  if (!target?.name) found.required("target.name");
}
