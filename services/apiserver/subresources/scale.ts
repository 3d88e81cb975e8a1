import { decodeBody, decodeObject } from "../../../shared/api/decode.ts";
import {
  invalid,
  notFound,
  type StatusError,
  unsupportedMediaType,
} from "../../../shared/api/errors.ts";
import { keyOf } from "../../../shared/api/key.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import { applyJsonPatch } from "../../../shared/api/patch/json.ts";
import { applyMergePatch } from "../../../shared/api/patch/merge.ts";
import { applyStrategicMergePatch } from "../../../shared/api/patch/strategic.ts";
import { kindSchema } from "../../../shared/api/schemas.ts";
import { labelSelectorOf } from "../../../shared/api/selectors.ts";
import { validateCreate } from "../../../shared/api/validation/index.ts";
import { type EngineContext, logOfTable, storedResource } from "../context.ts";
import { type Asked, type Decided, keyOfAsked, settleName, settleNamespace } from "../decided.ts";
import type { Draft } from "../draft.ts";
import { cloneJson } from "../json.ts";
import { negotiate } from "../negotiate.ts";
import { writeOptions } from "../options.ts";
import type { BodyResponse, ResourceRequest } from "../request.ts";
import { answerJson } from "../respond.ts";
import { atLeast } from "../verbs/get.ts";
import { parsePatch } from "../verbs/patch.ts";
import { runWrite } from "../verbs/run-write.ts";
import { decideUpdate } from "../verbs/update.ts";
import type { Written } from "../write.ts";

const KIND = { group: "autoscaling", version: "v1", kind: "Scale" };

function target() {
  return { ...KIND, schema: kindSchema(KIND.group, KIND.version, KIND.kind) };
}

/** The Scale (autoscaling/v1) of a workload. */
export function scaleOf(object: KubernetesObject, version: string): KubernetesObject {
  const { name, namespace, uid, creationTimestamp } = object.metadata;
  const selector = labelSelectorOf(object.spec?.selector).toString();
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: {
      name,
      ...(namespace ? { namespace } : {}),
      ...(uid ? { uid } : {}),
      ...(version ? { resourceVersion: version } : {}),
      ...(creationTimestamp ? { creationTimestamp } : {}),
    },
    spec: object.spec?.replicas ? { replicas: object.spec.replicas } : {},
    status: {
      replicas: object.status?.replicas ?? 0,
      ...(selector ? { selector } : {}),
    },
  };
}

/** GET of <workload>/scale. */
export async function getScale(
  context: EngineContext,
  request: ResourceRequest,
): Promise<BodyResponse> {
  negotiate(request);
  const { table, namespace, name } = request;
  const log = logOfTable(context, table);
  await atLeast(log, request.query.get("resourceVersion") ?? "");
  const entry = log.projection.get(keyOf(storedResource(table), namespace, name));
  if (entry === undefined) throw notFound(table, name);
  return answerJson(200, scaleOf(entry.object, String(entry.revision)));
}

/** PUT of <workload>/scale. */
export async function updateScale(
  context: EngineContext,
  request: ResourceRequest,
): Promise<BodyResponse> {
  const options = writeOptions(request, "UpdateOptions");
  const { asked } = options;
  const { body, contentType } = request;
  const { object } = decodeBody(body, contentType, target(), options.fieldValidation);
  settleNamespace(asked, object);
  settleName(asked, object);
  const written = await runWrite(context, request, options, {
    keys: [keyOfAsked(asked)],
    decide: (draft) => decideScale(draft, asked, () => object),
  });
  return answerScale(context, request, written);
}

/** PATCH of <workload>/scale, but not by apply. */
export async function patchScale(
  context: EngineContext,
  request: ResourceRequest,
): Promise<BodyResponse> {
  const options = writeOptions(request, "PatchOptions");
  const { asked, fieldValidation } = options;
  const parsed = parsePatch({ ...request, table: { ...request.table, ...KIND } });
  if (parsed.type === "apply") throw applyUnsupported();
  const patched = (scale: KubernetesObject): unknown => {
    if (parsed.type === "json") return applyJsonPatch(scale, parsed.patch);
    if (parsed.type === "merge") return applyMergePatch(scale, parsed.patch);
    return applyStrategicMergePatch(scale, parsed.patch, target());
  };
  const written = await runWrite(context, request, options, {
    keys: [keyOfAsked(asked)],
    decide: (draft) =>
      decideScale(draft, asked, (scale) => {
        const next = decodeObject(cloneJson(patched(scale)), target(), fieldValidation).object;
        settleNamespace(asked, next);
        settleName(asked, next);
        return next;
      }),
  });
  return answerScale(context, request, written);
}

function applyUnsupported(): StatusError {
  return unsupportedMediaType([
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
  ]);
}

/** An update action of a plan on a scale. */
export function decideScaleAction(
  draft: Draft,
  asked: Asked,
  scale: KubernetesObject,
  expect: string,
): Decided {
  const next = decodeObject(cloneJson(scale), target(), "Strict").object;
  next.metadata.resourceVersion = expect;
  return decideScale(draft, asked, () => next);
}

function decideScale(
  draft: Draft,
  asked: Asked,
  change: (scale: KubernetesObject) => KubernetesObject,
): Decided {
  return decideUpdate(draft, asked, {
    next: (old) => {
      const scale = change(scaleOf(old, draft.version(keyOfAsked(asked))));
      const replicas: number = scale.spec?.replicas ?? 0;
      const errors = validateCreate({ ...KIND, namespaced: asked.table.namespaced }, scale);
      if (errors.length) throw invalid(KIND, asked.name, errors);
      const { uid, resourceVersion } = scale.metadata;
      const next = cloneJson(old);
      next.spec = { ...next.spec, replicas };
      next.metadata = { ...next.metadata };
      if (uid) next.metadata.uid = uid;
      delete next.metadata.resourceVersion;
      if (resourceVersion) next.metadata.resourceVersion = resourceVersion;
      return next;
    },
  });
}

function answerScale(
  context: EngineContext,
  request: ResourceRequest,
  written: Written<Decided>,
): BodyResponse {
  const { result } = written;
  const present = logOfTable(context, request.table).projection.get(result.key);
  const revision = written.revisionOf(result.key) ?? present?.revision;
  return answerJson(200, scaleOf(result.object, revision === undefined ? "" : String(revision)));
}
