import { type Decoded, decodeObject, type FieldValidation } from "../../../shared/api/decode.ts";
import { applyDefaults } from "../../../shared/api/defaults.ts";
import { badRequest, unsupportedMediaType } from "../../../shared/api/errors.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import { applyConfiguration } from "../../../shared/api/patch/apply.ts";
import { applyJsonPatch } from "../../../shared/api/patch/json.ts";
import { applyMergePatch } from "../../../shared/api/patch/merge.ts";
import { applyStrategicMergePatch } from "../../../shared/api/patch/strategic.ts";
import type { KindTable } from "../../../shared/api/schema.ts";
import { parseYaml, YamlError } from "../../../shared/api/yaml.ts";
import type { EngineContext } from "../context.ts";
import { type Asked, type Decided, keyOfAsked, settleName, settleNamespace } from "../decided.ts";
import type { Draft } from "../draft.ts";
import { cloneJson, thawed } from "../json.ts";
import { APPLY_TYPE, mediaType, type WriteOptions, writeOptions } from "../options.ts";
import type { BodyResponse, ResourceRequest } from "../request.ts";
import { answerWrite } from "../respond.ts";
import { runWrite } from "./run-write.ts";
import { type Change, decideUpdate } from "./update.ts";

const JSON_PATCH = "application/json-patch+json";
const MERGE_PATCH = "application/merge-patch+json";
const STRATEGIC_PATCH = "application/strategic-merge-patch+json";
const PATCH_TYPES = [JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_TYPE];

/** PATCH of an object or of its status, in any of the four patch types. */
export async function patch(
  context: EngineContext,
  request: ResourceRequest,
): Promise<BodyResponse> {
  const options = writeOptions(request, "PatchOptions");
  const { asked } = options;
  const parsed = parsePatch(request);
  const warnings: string[] = [];
  const written = await runWrite(context, request, options, {
    keys: [keyOfAsked(asked)],
    decide: (draft) => {
      warnings.length = 0;
      return decidePatch(draft, asked, parsed, options, warnings);
    },
  });
  return answerWrite(context, request, written, warnings);
}

/** A patch as the client sent it, read but not yet applied. */
export type ParsedPatch =
  | { readonly type: "json" | "merge" | "strategic"; readonly patch: unknown }
  | { readonly type: "apply"; readonly applied: KubernetesObject };

/** @throws StatusError BadRequest, UnsupportedMediaType */
export function parsePatch(
  request: Pick<ResourceRequest, "body" | "contentType" | "table">,
): ParsedPatch {
  const text = request.body.toString();
  switch (mediaType(request.contentType)) {
    case JSON_PATCH:
      return { type: "json", patch: jsonOf(text) };
    case MERGE_PATCH:
      return { type: "merge", patch: jsonOf(text) };
    case STRATEGIC_PATCH:
      return { type: "strategic", patch: jsonOf(text) };
    case APPLY_TYPE:
      return { type: "apply", applied: configurationOf(text, request.table) };
    default:
      throw unsupportedMediaType(PATCH_TYPES);
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`error decoding patch: ${(error as Error).message}`);
  }
}

function configurationOf(text: string, table: KindTable): KubernetesObject {
  const value = yamlOf(text);
  const object = value as KubernetesObject;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw badRequest("error decoding YAML: the configuration is not an object");
  }
  if (object.kind !== table.kind) {
    const why = `patch kind ${JSON.stringify(object.kind ?? "")} is not ${table.kind}`;
    throw badRequest(`invalid object type: ${why}`);
  }
  if (typeof object.metadata !== "object" || !object.metadata) object.metadata = { name: "" };
  return object;
}

function yamlOf(text: string): unknown {
  try {
    return parseYaml(text).value;
  } catch (error) {
    if (error instanceof YamlError) throw badRequest(`error decoding YAML: ${error.message}`);
    throw error;
  }
}

type PatchOptions = Pick<WriteOptions, "force" | "fieldValidation">;

/** Makes an object of what came of patching the old one. */
type Finish = (value: unknown, old: KubernetesObject | undefined) => KubernetesObject;

/** Decides a patch of the object as it is now. */
export function decidePatch(
  draft: Draft,
  asked: Asked,
  parsed: ParsedPatch,
  options: PatchOptions,
  warnings: string[],
  expect?: string,
): Decided {
  const finish: Finish = (value, old) =>
    finished(asked, value, old, options.fieldValidation, warnings);
  if (parsed.type === "apply") {
    return decideUpdate(draft, asked, applyChange(draft, asked, parsed.applied, options, finish));
  }
  return decideUpdate(draft, asked, {
    next: (old) => finish(patched(old, parsed, asked.table), old),
    expect,
  });
}

function patched(
  old: KubernetesObject,
  parsed: Exclude<ParsedPatch, { type: "apply" }>,
  table: KindTable,
): unknown {
  switch (parsed.type) {
    case "json":
      return applyJsonPatch(old, parsed.patch);
    case "merge":
      return applyMergePatch(old, parsed.patch);
    case "strategic":
      return applyStrategicMergePatch(old, parsed.patch, table);
  }
}

/** The result of a patch is read like a body: it must be an object of the kind again. */
function finished(
  asked: Asked,
  value: unknown,
  old: KubernetesObject | undefined,
  fieldValidation: FieldValidation,
  warnings: string[],
): KubernetesObject {
  const { object, warnings: found } = completed(asked.table, value, old, fieldValidation);
  warnings.push(...found);
  settleNamespace(asked, object);
  settleName(asked, object);
  return object;
}

/** Decoded and defaulted. What the patch has left as it was stays shared with the stored object. */
function completed(
  table: KindTable,
  value: unknown,
  old: KubernetesObject | undefined,
  fieldValidation: FieldValidation,
): Decoded {
  const complete = (copy: unknown): Decoded => {
    const decoded = decodeObject(copy, table, fieldValidation, old);
    applyDefaults(table, decoded.object);
    return decoded;
  };
  // Allocation changes what a Service holds
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject || table.plural === "services") return complete(cloneJson(value));
  try {
    return complete(thawed(value as KubernetesObject));
  } catch (error) {
    // Something stored is not as it would be written today: it has to be changed, so it is copied
    if (error instanceof TypeError) return complete(cloneJson(value));
    throw error;
  }
}

/** Server-side apply; creates what does not exist, unless it is a subresource. */
function applyChange(
  draft: Draft,
  asked: Asked,
  applied: KubernetesObject,
  options: PatchOptions,
  finish: Finish,
): Change {
  const configuration = cloneJson(applied);
  settleNamespace(asked, configuration);
  settleName(asked, configuration);
  const { manager, subresource, table } = asked;
  const apply = (live: KubernetesObject | undefined): KubernetesObject => {
    const settings = { manager, force: options.force, subresource, now: draft.now };
    return finish(applyConfiguration(live, configuration, table, settings).object, live);
  };
  if (subresource) return { next: apply, managed: true };
  return { next: apply, managed: true, forceCreate: true, create: () => apply(undefined) };
}
