import {
  conflict,
  type FieldError,
  invalid,
  invalidValue,
  notFound,
} from "../../../shared/api/errors.ts";
import type { KubernetesObject, ObjectMeta } from "../../../shared/api/object.ts";
import { trackUpdate } from "../../../shared/api/patch/apply.ts";
import { validateUpdate } from "../../../shared/api/validation/index.ts";
import { admit } from "../admission/index.ts";
import { allocateForUpdate, releaseForDelete } from "../allocation/index.ts";
import type { EngineContext } from "../context.ts";
import { type Asked, type Decided, keyOfAsked, settleName, settleNamespace } from "../decided.ts";
import { bodyReader } from "../decode-request.ts";
import type { Draft } from "../draft.ts";
import { checkEscalation } from "../escalation.ts";
import { equalJson, equalOrEmpty } from "../json.ts";
import { writeOptions } from "../options.ts";
import type { BodyResponse, ResourceRequest } from "../request.ts";
import { answerWrite } from "../respond.ts";
import { fromStored, toStored } from "../stored.ts";
import { hasStatus, type Strategy, strategyOf } from "../strategy.ts";
import { decideCreate } from "./create.ts";
import { runWrite } from "./run-write.ts";

/** PUT of an object, or of its status. */
export async function update(
  context: EngineContext,
  request: ResourceRequest,
): Promise<BodyResponse> {
  const options = writeOptions(request, "UpdateOptions");
  const { asked } = options;
  const { warnings, next } = bodyReader(request, options.fieldValidation);
  const settled = (): KubernetesObject => {
    const object = next();
    settleNamespace(asked, object);
    settleName(asked, object);
    return object;
  };
  const written = await runWrite(context, request, options, {
    keys: [keyOfAsked(asked)],
    decide: (draft) => decideUpdate(draft, asked, { create: settled, next: settled }),
  });
  return answerWrite(context, request, written, warnings);
}

/** Where the new object of an update comes from. */
export interface Change {
  /** The new object, made from the present one (frozen); called once per decision. */
  next(old: KubernetesObject): KubernetesObject;
  /** What to create when there is none, where the kind or the operation allows it. */
  readonly create?: () => KubernetesObject;
  /** Create it even if the kind does not allow creation by update (server-side apply). */
  readonly forceCreate?: boolean;
  /** resourceVersion that must be the present one; overrides the new object's own. */
  readonly expect?: string | undefined;
  /** Write a new version even when nothing has changed. */
  readonly claim?: boolean;
  /** `next` has brought its managed fields up to date itself (server-side apply). */
  readonly managed?: boolean;
}

/** Decides an update of an object or of one of its subresources. */
export function decideUpdate(draft: Draft, asked: Asked, change: Change): Decided {
  const { table, subresource } = asked;
  const key = keyOfAsked(asked);
  const strategy = strategyOf(table);
  const stored = draft.read(key);
  if (stored === undefined) {
    const creates = change.forceCreate || (strategy.createOnUpdate && !subresource);
    if (!creates || !change.create) throw notFound(table, asked.name);
    return decideCreate(draft, asked, change.create(), change.managed);
  }
  const old = fromStored(table, stored);
  const next = change.next(old);
  checkVersion(draft, asked, strategy, next, old, change.expect);
  keepSystemFields(next.metadata, old.metadata, draft.version(key) || "0");
  keepOtherPart(asked, strategy, next, old);
  if (!change.managed) {
    const { manager } = asked;
    const tracking = { manager, subresource, now: draft.now };
    next.metadata.managedFields = trackUpdate(old, next, table, tracking);
  }
  admit(draft, { operation: "UPDATE", asked, object: next, old });
  const problems = allocateForUpdate(draft, asked, next, old);
  raiseGeneration(strategy, asked, next, old);
  const found = validateUpdate(table, next, old, subresource);
  // What is not valid was not to be allocated.
  const errors = found.length ? found : problems;
  if (errors.length) throw invalid(table, asked.name, errors);
  checkEscalation(draft, asked, next, old);
  if (removedByUpdate(asked, next, old)) {
    draft.remove(key);
    releaseForDelete(draft, asked, old);
    return { key, object: next, code: 200, removed: true };
  }
  if (!change.claim && sameObject(next, old)) return { key, object: old, code: 200 };
  draft.put(key, toStored(table, next));
  return { key, object: next, code: 200 };
}

/** Optimistic concurrency: a stated resourceVersion and uid must be the present ones. */
function checkVersion(
  draft: Draft,
  asked: Asked,
  strategy: Strategy,
  next: KubernetesObject,
  old: KubernetesObject,
  expect: string | undefined,
): void {
  const { table, name } = asked;
  const uid = next.metadata.uid;
  if (uid && uid !== old.metadata.uid) {
    const found = `UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`;
    const path = [table.plural, asked.namespace, name].filter((part) => part !== "").join("/");
    const object = `StorageError: invalid object, Code: 4, Key: /registry/${path}`;
    const more = `ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: ${found}`;
    throw conflict(table, name, `${object}, ${more}`);
  }
  const stated = expect ?? next.metadata.resourceVersion ?? "";
  if (stated === "" || stated === "0") {
    if (!strategy.conditionalUpdate || asked.subresource) return;
    const detail = "must be specified for an update";
    throw invalid({ group: table.group, kind: table.plural }, name, [
      invalidValue("metadata.resourceVersion", "0x0", detail),
    ]);
  }
  if (!/^[0-9]+$/.test(stated)) throw invalid(table, name, [versionError(stated)]);
  if (stated !== draft.version(keyOfAsked(asked))) throw conflict(table, name);
}

function versionError(stated: string): FieldError {
  const detail = `strconv.ParseUint: parsing ${JSON.stringify(stated)}: invalid syntax`;
  return invalidValue("metadata.resourceVersion", stated, detail);
}

const SYSTEM_FIELDS = [
  "uid",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "generation",
  "selfLink",
  "generateName",
] as const;

/** What no client decides, whatever it sends. */
function keepSystemFields(next: ObjectMeta, old: ObjectMeta, version: string): void {
  const target = next as unknown as Record<string, unknown>;
  for (const field of SYSTEM_FIELDS) {
    if (field === "generateName" && next.generateName !== undefined) continue;
    if (old[field] === undefined) delete target[field];
    else target[field] = old[field];
  }
  next.resourceVersion = version;
  if (!next.managedFields) target.managedFields = old.managedFields;
}

/** An update of the object leaves the status alone, one of the status everything else. */
function keepOtherPart(
  asked: Asked,
  strategy: Strategy,
  next: KubernetesObject,
  old: KubernetesObject,
): void {
  if (asked.subresource === "status") {
    for (const field of Object.keys(next)) if (field !== "metadata") keepUnlessStatus(next, field);
    for (const [field, value] of Object.entries(old)) {
      if (field !== "metadata" && field !== "status") next[field] = value;
    }
    const { metadata } = next;
    metadata.ownerReferences = old.metadata.ownerReferences;
    if (strategy.statusKeepsLabels) metadata.labels = old.metadata.labels;
    return;
  }
  if (asked.subresource === "ephemeralcontainers") keepAllButEphemeral(next, old);
  if (isNamespace(asked) && asked.subresource !== "finalize") {
    next.spec = { ...next.spec, finalizers: old.spec?.finalizers };
  }
  if (!hasStatus(asked.table)) return;
  if (old.status === undefined) delete next.status;
  else next.status = old.status;
}

function keepAllButEphemeral(next: KubernetesObject, old: KubernetesObject): void {
  const ephemeralContainers = next.spec?.ephemeralContainers;
  next.spec = ephemeralContainers ? { ...old.spec, ephemeralContainers } : { ...old.spec };
  if (!ephemeralContainers) delete next.spec.ephemeralContainers;
  next.metadata = { ...old.metadata };
}

function keepUnlessStatus(next: KubernetesObject, field: string): void {
  if (field !== "status") delete next[field];
}

function isNamespace({ table }: Asked): boolean {
  return table.plural === "namespaces" && table.group === "";
}

function raiseGeneration(
  strategy: Strategy,
  asked: Asked,
  next: KubernetesObject,
  old: KubernetesObject,
): void {
  if (!strategy.generation || asked.subresource === "status") return;
  const changed = strategy.generation.some((part) => {
    if (part === "spec") return !equalOrEmpty(next.spec, old.spec);
    if (part === "content") return !equalJson(contentOf(next), contentOf(old));
    return !equalOrEmpty(next.metadata[part], old.metadata[part]);
  });
  if (changed) next.metadata.generation = (old.metadata.generation ?? 0) + 1;
}

function contentOf(object: KubernetesObject): Record<string, unknown> {
  const { metadata: _, status: __, ...content } = object;
  return content;
}

/** The last finalizer of an object that is being deleted has gone: the object goes with it. */
function removedByUpdate(asked: Asked, next: KubernetesObject, old: KubernetesObject): boolean {
  if (next.metadata.finalizers?.length || !old.metadata.deletionTimestamp) return false;
  if (old.metadata.deletionGracePeriodSeconds) return false;
  return !isNamespace(asked) || !next.spec?.finalizers?.length;
}

/** Nothing but the time of a managed fields entry would change. */
function sameObject(next: KubernetesObject, old: KubernetesObject): boolean {
  return equalJson(comparable(next), comparable(old));
}

function comparable(object: KubernetesObject): Record<string, unknown> {
  const { metadata, ...rest } = object;
  const managedFields = metadata.managedFields?.map((entry) => ({ ...entry, time: undefined }));
  return {
    ...rest,
    metadata: { ...metadata, resourceVersion: undefined, managedFields },
  };
}
