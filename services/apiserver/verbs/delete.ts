import { conflict, notFound, success } from "../../../shared/api/errors.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import { formatTime } from "../../../shared/api/time.ts";
import { admit } from "../admission/index.ts";
import { releaseForDelete } from "../allocation/index.ts";
import type { EngineContext } from "../context.ts";
import { type Asked, type Decided, keyOfAsked } from "../decided.ts";
import { type DeleteOptions, deleteOptionsOf } from "../delete-options.ts";
import type { Draft } from "../draft.ts";
import { writeOptions } from "../options.ts";
import type { BodyResponse, ResourceRequest } from "../request.ts";
import { answerStatus, answerWrite } from "../respond.ts";
import { fromStored, toStored } from "../stored.ts";
import { strategyOf } from "../strategy.ts";
import { runWrite } from "./run-write.ts";

/** DELETE of one object. */
export async function remove(
  context: EngineContext,
  request: ResourceRequest,
): Promise<BodyResponse> {
  const options = deleteOptionsOf(request);
  const { asked } = writeOptions(request, "DeleteOptions");
  const written = await runWrite(context, request, options, {
    keys: [keyOfAsked(asked)],
    decide: (draft) => decideDelete(draft, asked, options),
  });
  const { removed, object } = written.result;
  if (removed && !strategyOf(request.table).returnsDeleted) {
    return answerStatus(success(request.table, request.name, object.metadata.uid));
  }
  return answerWrite(context, request, written, []);
}

/**
 * Decides a deletion: at once, or with a grace period (pods), or once the finalizers have gone.
 * Facts of upstream's rest.BeforeDelete and the generic registry.
 */
export function decideDelete(draft: Draft, asked: Asked, options: DeleteOptions): Decided {
  const { table } = asked;
  const key = keyOfAsked(asked);
  const stored = draft.read(key);
  if (stored === undefined) throw notFound(table, asked.name);
  const old = fromStored(table, stored);
  checkPreconditions(draft, asked, old, options);
  admit(draft, { operation: "DELETE", asked, object: old, old });
  if (table.plural === "namespaces" && !table.group) return deleteNamespace(draft, asked, options);
  const next: KubernetesObject = { ...old, metadata: { ...old.metadata } };
  delete next.metadata.resourceVersion;
  const grace = gracefully(draft, asked, next, options);
  if (grace === "pending") return { key, object: old, code: code(options) };
  setCollectorFinalizers(asked, next, options);
  const finalizers = next.metadata.finalizers ?? [];
  if (finalizers.length > 0) {
    if (grace !== "graceful") markDeleting(draft, next);
  } else if (grace !== "graceful" || next.metadata.deletionGracePeriodSeconds === 0) {
    draft.remove(key);
    releaseForDelete(draft, asked, old);
    return { key, object: next, code: 200, removed: true };
  }
  draft.put(key, toStored(table, next));
  return { key, object: next, code: code(options) };
}

/** 202 tells the client that the deletion goes on behind its back. */
function code(options: DeleteOptions): 200 | 202 {
  const foreground = options.propagationPolicy === "Foreground";
  return foreground || options.orphanDependents === false ? 202 : 200;
}

function checkPreconditions(
  draft: Draft,
  asked: Asked,
  old: KubernetesObject,
  options: DeleteOptions,
): void {
  const { uid, resourceVersion } = options.preconditions ?? {};
  const refuse = (why: string) => conflict(asked.table, asked.name, why);
  if (uid !== undefined && uid !== old.metadata.uid) {
    throw refuse(
      `the UID in the precondition (${uid}) does not match the UID in record ` +
        `(${old.metadata.uid}). The object might have been deleted and then recreated`,
    );
  }
  const present = draft.version(keyOfAsked(asked));
  if (resourceVersion !== undefined && resourceVersion !== present) {
    throw refuse(
      `the ResourceVersion in the precondition (${resourceVersion}) does not match the ` +
        `ResourceVersion in record (${present}). The object might have been modified`,
    );
  }
}

/** Only pods are given time: sets their deletion, or says that nothing changes. */
function gracefully(
  draft: Draft,
  asked: Asked,
  pod: KubernetesObject,
  options: DeleteOptions,
): "graceful" | "pending" | "no" {
  if (asked.table.plural !== "pods" || asked.table.group) return "no";
  const { metadata } = pod;
  const stated = options.gracePeriodSeconds;
  const wanted = stated !== undefined && stated < 0 ? 1 : stated;
  if (metadata.deletionTimestamp) {
    const present = metadata.deletionGracePeriodSeconds;
    if (present === undefined) return "no";
    // The time that is left may only be shortened.
    if (wanted === undefined || wanted >= present) return "pending";
    const deletedAt = Date.parse(metadata.deletionTimestamp) - present * 1000;
    metadata.deletionTimestamp = formatTime(deletedAt + wanted * 1000);
    metadata.deletionGracePeriodSeconds = wanted;
    return "graceful";
  }
  const period = gracePeriodOf(pod, wanted);
  metadata.deletionTimestamp = formatTime(draft.now + period * 1000);
  metadata.deletionGracePeriodSeconds = period;
  if (metadata.generation) metadata.generation += 1;
  return "graceful";
}

/** Nothing runs of a pod without a node, or of one that has ended: it needs no time. */
function gracePeriodOf(pod: KubernetesObject, wanted: number | undefined): number {
  if (!pod.spec?.nodeName) return 0;
  if (pod.status?.phase === "Failed" || pod.status?.phase === "Succeeded") return 0;
  const period = wanted ?? pod.spec.terminationGracePeriodSeconds ?? 0;
  return period < 0 ? 1 : period;
}

function markDeleting(draft: Draft, object: KubernetesObject): void {
  const { metadata } = object;
  if (!metadata.deletionTimestamp && metadata.generation) metadata.generation += 1;
  const present = metadata.deletionTimestamp;
  if (present === undefined || Date.parse(present) > draft.now) {
    metadata.deletionTimestamp = formatTime(draft.now);
  }
  metadata.deletionGracePeriodSeconds = 0;
}

const ORPHAN = "orphan";
const FOREGROUND = "foregroundDeletion";

/** Tells the garbage collector by finalizers what is to become of the dependents. */
function setCollectorFinalizers(
  asked: Asked,
  object: KubernetesObject,
  options: DeleteOptions,
): void {
  if (strategyOf(asked.table).noGarbageCollection) return;
  const present = object.metadata.finalizers ?? [];
  const kept = present.filter((finalizer) => finalizer !== ORPHAN && finalizer !== FOREGROUND);
  const policy = policyOf(present, options);
  if (policy === "Orphan") kept.push(ORPHAN);
  if (policy === "Foreground") kept.push(FOREGROUND);
  if (kept.length > 0) object.metadata.finalizers = kept;
  else delete object.metadata.finalizers;
}

/** The options decide; without them the finalizers that are there; without those, background. */
function policyOf(present: readonly string[], options: DeleteOptions): string {
  if (options.orphanDependents !== undefined) {
    return options.orphanDependents ? "Orphan" : "Background";
  }
  if (options.propagationPolicy !== undefined) return options.propagationPolicy;
  const finalizer = present.find((each) => each === ORPHAN || each === FOREGROUND);
  if (finalizer === undefined) return "Background";
  return finalizer === ORPHAN ? "Orphan" : "Foreground";
}

/** A namespace goes once the namespace controller has emptied it and taken its finalizer away. */
function deleteNamespace(draft: Draft, asked: Asked, options: DeleteOptions): Decided {
  const key = keyOfAsked(asked);
  const old = draft.read(key) as KubernetesObject;
  if (!old.metadata.deletionTimestamp) {
    const next: KubernetesObject = { ...old, metadata: { ...old.metadata } };
    delete next.metadata.resourceVersion;
    next.metadata.deletionTimestamp = formatTime(draft.now);
    next.status = { ...next.status, phase: "Terminating" };
    setCollectorFinalizers(asked, next, options);
    const pending = next.spec?.finalizers?.length || next.metadata.finalizers?.length;
    if (pending) draft.put(key, next);
    else draft.remove(key);
    return { key, object: next, code: code(options), removed: !pending };
  }
  if (old.spec?.finalizers?.length || old.metadata.finalizers?.length) {
    return { key, object: old, code: code(options) };
  }
  draft.remove(key);
  return { key, object: old, code: 200, removed: true };
}
