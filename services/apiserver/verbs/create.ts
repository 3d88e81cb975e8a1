import {
  alreadyExists,
  failure,
  generateNameConflict,
  invalid,
  StatusError,
} from "../../../shared/api/errors.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import { trackUpdate } from "../../../shared/api/patch/apply.ts";
import { formatTime } from "../../../shared/api/time.ts";
import { validateCreate } from "../../../shared/api/validation/index.ts";
import type { Key } from "../../../shared/store/store.ts";
import { admit } from "../admission/index.ts";
import { allocateForCreate } from "../allocation/index.ts";
import type { EngineContext } from "../context.ts";
import { type Asked, type Decided, keyOfAsked, settleName, settleNamespace } from "../decided.ts";
import { bodyReader } from "../decode-request.ts";
import type { Draft } from "../draft.ts";
import { checkEscalation } from "../escalation.ts";
import { SUFFIX_ALPHABET } from "../hash.ts";
import { writeOptions } from "../options.ts";
import type { BodyResponse, ResourceRequest } from "../request.ts";
import { answerWrite } from "../respond.ts";
import { toStored } from "../stored.ts";
import { hasStatus, strategyOf } from "../strategy.ts";
import { runWrite } from "./run-write.ts";

/** POST on a collection. */
export async function create(
  context: EngineContext,
  request: ResourceRequest,
): Promise<BodyResponse> {
  const options = writeOptions(request, "CreateOptions");
  const { first, warnings, next } = bodyReader(request, options.fieldValidation);
  const { name, resourceVersion } = first.metadata;
  if (resourceVersion && resourceVersion !== "0") {
    throw failure(500, "", "resourceVersion should not be set on objects to be created");
  }
  const written = await runWrite(context, request, options, {
    keys: name ? [keyOfAsked(options.asked, name)] : [],
    decide: (draft) => decideCreate(draft, options.asked, next()),
  });
  return answerWrite(context, request, written, warnings);
}

/** Times that a name is generated for a generateName before giving up. */
const NAMES_MAX = 8;

/**
 * Decides a creation: name, metadata, admission, allocations, validation. `object` is decoded
 * and defaulted; it is changed. `managed`: its managed fields are right already (server-side
 * apply).
 */
export function decideCreate(
  draft: Draft,
  asked: Asked,
  object: KubernetesObject,
  managed = false,
): Decided {
  const { table } = asked;
  settleNamespace(asked, object);
  if (asked.name) settleName(asked, object);
  const { metadata } = object;
  const generated = !metadata.name && metadata.generateName !== undefined;
  if (generated && metadata.generateName) metadata.name = freeName(draft, asked, object);
  fillMetadata(draft, object);
  // What admission and allocation add belongs to nobody, as upstream.
  if (!managed) {
    const tracking = { manager: asked.manager, now: draft.now };
    metadata.managedFields = trackUpdate(undefined, object, table, tracking);
  }
  admit(draft, { operation: "CREATE", asked, object, old: undefined });
  prepare(asked, object);
  const problems = allocateForCreate(draft, asked, object);
  const found = validateCreate(table, object);
  // What is not valid was not to be allocated.
  const errors = found.length ? found : problems;
  if (errors.length) throw invalid(table, metadata.name ?? "", errors);
  checkEscalation(draft, asked, object, undefined);
  const key = keyOfAsked(asked, metadata.name);
  refuseExisting(draft, asked, key, metadata.name);
  draft.put(key, toStored(table, object));
  return { key, object, code: 201 };
}

function refuseExisting(draft: Draft, asked: Asked, key: Key, name: string): void {
  const existing = draft.read(key);
  if (existing === undefined) return;
  const refusal = alreadyExists(asked.table, name);
  if (!existing.metadata.deletionTimestamp) throw refusal;
  const message = `object is being deleted: ${refusal.body.message}`;
  throw new StatusError({ ...refusal.body, message });
}

function fillMetadata(draft: Draft, object: KubernetesObject): void {
  const { metadata } = object;
  metadata.uid = draft.context.runtime.ids.uuid();
  metadata.creationTimestamp = formatTime(draft.now);
  for (const field of NOT_OF_CLIENTS) if (metadata[field] !== undefined) delete metadata[field];
}

const NOT_OF_CLIENTS = [
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "resourceVersion",
  "generation",
  "selfLink",
] as const;

function prepare({ table }: Asked, object: KubernetesObject): void {
  const strategy = strategyOf(table);
  if (strategy.generation) object.metadata.generation = 1;
  if (table.plural === "namespaces" && !table.group) prepareNamespace(object);
  const initial = strategy.initialStatus;
  if (initial === "kept" || !hasStatus(table)) return;
  if (object.status !== undefined) delete object.status;
  if (initial) object.status = initial(object);
}

/** The namespace controller takes its finalizer away once the namespace is empty. */
function prepareNamespace(object: KubernetesObject): void {
  const finalizers: string[] = object.spec?.finalizers ?? [];
  if (!finalizers.includes("kubernetes")) finalizers.push("kubernetes");
  object.spec = { ...object.spec, finalizers };
}

const SUFFIX_LENGTH = 5;
const BASE_LENGTH_MAX = 63 - SUFFIX_LENGTH;

function freeName(draft: Draft, asked: Asked, object: KubernetesObject): string {
  const base = (object.metadata.generateName as string).slice(0, BASE_LENGTH_MAX);
  const random = draft.context.runtime.random.stream("apiserver/generateName");
  let name = "";
  for (let attempt = 0; attempt < NAMES_MAX; attempt++) {
    name = base;
    for (let index = 0; index < SUFFIX_LENGTH; index++) {
      name += SUFFIX_ALPHABET[random.integer(SUFFIX_ALPHABET.length)];
    }
    if (draft.read(keyOfAsked(asked, name)) === undefined) return name;
  }
  throw generateNameConflict(asked.table, name, 1);
}
