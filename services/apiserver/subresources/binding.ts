import { decodeBody } from "../../../shared/api/decode.ts";
import { conflict, invalid, notFound, success } from "../../../shared/api/errors.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import { trackUpdate } from "../../../shared/api/patch/apply.ts";
import { kindSchema } from "../../../shared/api/schemas.ts";
import { formatTime } from "../../../shared/api/time.ts";
import { validateCreate } from "../../../shared/api/validation/index.ts";
import { admit } from "../admission/index.ts";
import { takeRoom } from "../allocation/node-capacity.ts";
import { NODE_RECORDS, raiseFence, recordKey } from "../allocation/record.ts";
import type { EngineContext } from "../context.ts";
import { type Asked, type Decided, keyOfAsked } from "../decided.ts";
import type { Draft } from "../draft.ts";
import { cloneJson } from "../json.ts";
import { writeOptions } from "../options.ts";
import type { BodyResponse, ResourceRequest } from "../request.ts";
import { answerStatus } from "../respond.ts";
import { runWrite } from "../verbs/run-write.ts";

const BINDING = { group: "", plural: "pods/binding" };
const KIND = { group: "", version: "v1", kind: "Binding" };

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
    keys: [keyOfAsked(asked), recordKey(NODE_RECORDS, node)],
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

/** Decides a binding, together with the node's fence. */
export function decideBinding(draft: Draft, asked: Asked, wish: BindWish): Decided {
  const key = keyOfAsked(asked);
  const old = draft.read(key);
  if (old === undefined) throw notFound(asked.table, asked.name);
  admit(draft, { operation: "CREATE", asked, object: old, old: undefined });
  checkPod(draft, asked, old, wish);
  if (wish.checkRoom) takeRoom(draft, old, wish.node);
  const next = cloneJson(old);
  delete next.metadata.resourceVersion;
  next.spec.nodeName = wish.node;
  if (wish.annotations) {
    next.metadata.annotations = { ...next.metadata.annotations, ...wish.annotations };
  }
  next.status = { ...next.status, conditions: scheduled(next, draft.now) };
  const { manager } = asked;
  const tracking = { manager, subresource: "binding", now: draft.now };
  next.metadata.managedFields = trackUpdate(old, next, asked.table, tracking);
  raiseFence(draft, wish.node);
  draft.put(key, next);
  return { key, object: next, code: 201 };
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
    type: "PodScheduled",
    status: "True",
    lastProbeTime: null,
    lastTransitionTime: formatTime(now),
    ...(generation ? { observedGeneration: generation } : {}),
  };
  const others = conditions.filter(({ type }) => type !== condition.type);
  return [...others, condition];
}
