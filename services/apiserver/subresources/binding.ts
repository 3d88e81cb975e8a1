import { decodeBody } from "../../../shared/api/decode.ts";
import { conflict, invalid, notFound, success } from "../../../shared/api/errors.ts";
import type { KubernetesObject, ManagedFieldsEntry } from "../../../shared/api/object.ts";
import { trackUpdate } from "../../../shared/api/patch/apply.ts";
import { UPDATE_MANAGERS_MAX } from "../../../shared/api/patch/managers.ts";
import { kindSchema } from "../../../shared/api/schemas.ts";
import { formatTime } from "../../../shared/api/time.ts";
import { validateCreate } from "../../../shared/api/validation/index.ts";
import { admit } from "../admission/index.ts";
import { takeRoom } from "../allocation/node-capacity.ts";
import { FENCE_KEY, raiseFence } from "../allocation/record.ts";
import type { EngineContext } from "../context.ts";
import { type Asked, type Decided, keyOfAsked } from "../decided.ts";
import type { Draft } from "../draft.ts";
import { writeOptions } from "../options.ts";
import type { BodyResponse, ResourceRequest } from "../request.ts";
import { answerStatus } from "../respond.ts";
import { runWrite } from "../verbs/run-write.ts";

const BINDING = { group: "", plural: "pods/binding" };
const KIND = { group: "", version: "v1", kind: "Binding" };
const SUBRESOURCE = "binding";
const SCHEDULED = "PodScheduled";

/** POST to pods/<name>/binding: a scheduler that is none of ours binds a pod. */
export async function createBinding(
  context: EngineContext,
  request: ResourceRequest,
): Promise<BodyResponse> {
  const options = writeOptions(request, "CreateOptions");
  const { asked } = options;
  const { body, contentType } = request;
  const target = { ...KIND, schema: kindSchema(KIND.group, KIND.version, KIND.kind) };
  const { object } = decodeBody(body, contentType, target, options.fieldValidation);
  const errors = validateCreate(KIND, object);
  if (errors.length) throw invalid(KIND, object.metadata.name ?? "", errors);
  const { metadata } = object;
  const node: string = object.target.name;
  const wish: BindWish = {
    node,
    uid: metadata.uid,
    expect: metadata.resourceVersion,
    annotations: metadata.annotations,
  };
  await runWrite(context, request, options, {
    keys: [keyOfAsked(asked), FENCE_KEY],
    decide: (draft) => decideBinding(draft, asked, wish),
  });
  return answerStatus({ ...success({ group: "", plural: "" }, ""), code: 201 });
}

export interface BindWish {
  readonly node: string;
  /** Of the pod, where the caller states them. */
  readonly uid?: string | undefined;
  readonly expect?: string | undefined;
  readonly annotations?: Record<string, string> | undefined;
  /** Refuse when the node cannot hold the pod (DESIGN D18). */
  readonly checkRoom?: boolean;
}

/** Decides a binding, together with the fence of bindings. */
export function decideBinding(draft: Draft, asked: Asked, wish: BindWish): Decided {
  const key = keyOfAsked(asked);
  const old = draft.read(key);
  if (old === undefined) throw notFound(asked.table, asked.name);
  admit(draft, { operation: "CREATE", asked, object: old, old: undefined });
  checkPod(draft, asked, old, wish);
  if (wish.checkRoom) takeRoom(draft, old, wish.node);
  const next = boundPod(old, asked, wish, draft.now);
  raiseFence(draft);
  draft.put(key, next);
  return { key, object: next, code: 201 };
}

/** The pod on its node. Shares with `old` what stays as it is. */
function boundPod(
  old: KubernetesObject,
  asked: Asked,
  { node, annotations }: BindWish,
  now: number,
): KubernetesObject {
  const { resourceVersion: _, ...metadata } = old.metadata;
  if (annotations) metadata.annotations = { ...metadata.annotations, ...annotations };
  const next: KubernetesObject = {
    ...old,
    metadata,
    spec: { ...old.spec, nodeName: node },
    status: { ...old.status, conditions: scheduled(old, now) },
  };
  metadata.managedFields = managedFields(old, next, asked, now);
  return next;
}

/** What a binding owns, by what it found: the same for nearly all pods. */
const owned = new Map<string, NonNullable<ManagedFieldsEntry["fieldsV1"]>>();

/** As `trackUpdate`, which is asked once for each kind of pod. */
function managedFields(
  old: KubernetesObject,
  next: KubernetesObject,
  { table, manager }: Asked,
  now: number,
): ManagedFieldsEntry[] {
  const track = () => trackUpdate(old, next, table, { manager, subresource: SUBRESOURCE, now });
  const kind = kindOf(old, next, manager);
  if (kind === undefined) return track();
  const fieldsV1 = owned.get(kind);
  if (fieldsV1 === undefined) {
    const tracked = track();
    const own = tracked.find(({ subresource }) => subresource === SUBRESOURCE);
    if (own?.fieldsV1 !== undefined) owned.set(kind, own.fieldsV1);
    return tracked;
  }
  const entry: ManagedFieldsEntry = {
    ...(manager && { manager }),
    operation: "Update",
    apiVersion: "v1",
    time: formatTime(now),
    fieldsType: "FieldsV1",
    fieldsV1,
    subresource: SUBRESOURCE,
  };
  const entries = [...(old.metadata.managedFields ?? [])];
  const after = entries.findIndex((other) => precedes(entry, other));
  entries.splice(after < 0 ? entries.length : after, 0, entry);
  return entries;
}

/**
 * What decides which fields the binding comes to own; undefined: something else does, too, because
 * a field that is written has been written before, or there are too many writers.
 */
function kindOf(
  old: KubernetesObject,
  next: KubernetesObject,
  manager: string,
): string | undefined {
  const { managedFields: entries = [], annotations, generation } = old.metadata;
  if (entries.length === 0 || entries.length >= UPDATE_MANAGERS_MAX) return undefined;
  if (entries.some((entry) => entry.subresource === SUBRESOURCE)) return undefined;
  if (annotations !== next.metadata.annotations || "nodeName" in old.spec) return undefined;
  const conditions: unknown = old.status?.conditions;
  if (conditions !== undefined && !Array.isArray(conditions)) return undefined;
  if (conditions?.some(({ type }) => type === SCHEDULED)) return undefined;
  return `${manager} ${conditions?.length ? "more" : typeof conditions} ${Boolean(generation)}`;
}

/** The order in which managed fields are kept. */
function precedes(one: ManagedFieldsEntry, other: ManagedFieldsEntry): boolean {
  for (const field of ["operation", "time", "manager", "apiVersion", "subresource"] as const) {
    const [left, right] = [one[field] ?? "", other[field] ?? ""];
    if (left !== right) return left < right;
  }
  return false;
}

function checkPod(draft: Draft, asked: Asked, pod: KubernetesObject, wish: BindWish): void {
  const { name } = asked;
  const { metadata, spec } = pod;
  const refuse = (why: string) => conflict(BINDING, name, why);
  if (wish.uid && wish.uid !== metadata.uid) {
    const found = `UID in precondition: ${wish.uid}, UID in object meta: ${metadata.uid}`;
    throw refuse(`Precondition failed: ${found}`);
  }
  if (metadata.deletionTimestamp) {
    throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`);
  }
  if (spec.nodeName) {
    throw refuse(`pod ${name} is already assigned to node ${JSON.stringify(spec.nodeName)}`);
  }
  if (spec.schedulingGates?.length) {
    throw refuse(`pod ${name} has non-empty .spec.schedulingGates`);
  }
  const present = draft.version(keyOfAsked(asked));
  if (wish.expect && wish.expect !== present) {
    const found =
      `ResourceVersion in precondition: ${wish.expect}, ` +
      `ResourceVersion in object meta: ${present}`;
    throw refuse(`Precondition failed: ${found}`);
  }
}

interface Condition {
  type: string;
  status: string;
  [field: string]: unknown;
}

function scheduled(pod: KubernetesObject, now: number): Condition[] {
  const conditions: Condition[] = pod.status?.conditions ?? [];
  const generation = pod.metadata.generation;
  const condition: Condition = {
    type: SCHEDULED,
    status: "True",
    lastProbeTime: null,
    lastTransitionTime: formatTime(now),
    ...(generation ? { observedGeneration: generation } : {}),
  };
  const others = conditions.filter(({ type }) => type !== condition.type);
  return [...others, condition];
}
