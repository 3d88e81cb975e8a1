import { checkerOf, SUSPECT, seen } from "./check.ts";
import { badRequest, type StatusError, unsupportedMediaType } from "./errors.ts";
import {
  DEPTH_MAX,
  JsonObject,
  JsonSyntaxError,
  type JsonValue,
  jsonShape,
  jsonValueOf,
  parseJson,
} from "./json.ts";
import { apiVersionOf, parseApiVersion } from "./kinds.ts";
import type { KubernetesObject } from "./object.ts";
import { quote } from "./quote.ts";
import type { KindTable } from "./schema.ts";
import { definitionOfKind } from "./schemas.ts";
import { DecodeError, readStrictly } from "./strict.ts";
import { parseYaml, YamlError } from "./yaml.ts";

export type FieldValidation = "Strict" | "Warn" | "Ignore";

/** What a body has to be. A KindTable is one; so is a subresource's kind with its schema. */
export type DecodeTarget = Pick<KindTable, "group" | "version" | "kind" | "schema">;

export interface Decoded {
  /** In its stored form: unknown fields and nulls dropped, quantities and times canonical. */
  readonly object: KubernetesObject;
  /** For `Warning` headers; only with fieldValidation Warn. */
  readonly warnings: string[];
}

export const ACCEPTED_MEDIA_TYPES = ["application/json", "application/yaml"];

/**
 * Reads a request's body as an object of the kind. Fields that the kind does not have, and repeated
 * ones, are refused (Strict), dropped and named (Warn), or dropped (Ignore).
 * @throws StatusError BadRequest, UnsupportedMediaType
 */
export function decodeBody(
  body: Buffer,
  contentType: string,
  target: DecodeTarget,
  fieldValidation: FieldValidation,
): Decoded {
  const mediaType = (contentType.split(";")[0] as string).trim().toLowerCase();
  switch (mediaType) {
    case "":
    case "application/json":
      return decodeJson(body, target, fieldValidation);
    case "application/yaml":
      return decodeYaml(body, target, fieldValidation);
    default:
      throw unsupportedMediaType(ACCEPTED_MEDIA_TYPES);
  }
}

/**
 * Reads an object that did not come as a body of its own: the result of a patch, an action of a
 * plan. It may be changed in place. `stored`: what it was made from; parts that it shares with that
 * are taken as they are.
 * @throws StatusError BadRequest
 */
export function decodeObject(
  value: unknown,
  target: DecodeTarget,
  fieldValidation: FieldValidation,
  stored?: KubernetesObject,
): Decoded {
  checkKind(value, target);
  const object = checkerOf(target.schema)(value, stored);
  if (object !== SUSPECT) return { object: completed(object, target), warnings: [] };
  return decodeSlowly(jsonValueOf(value), [], target, fieldValidation);
}

function decodeJson(body: Buffer, target: DecodeTarget, mode: FieldValidation): Decoded {
  const text = body.toString();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw notJson(body, text, target);
  }
  const shape = jsonShape(body);
  if (shape.depth > DEPTH_MAX) throw unrecognized(body, target, "exceeded max depth");
  checkKind(value, target, body);
  if (value === null) return decodeSlowly(new JsonObject(), [], target, mode);
  seen.keys = 0;
  const object = checkerOf(target.schema)(value);
  if (object !== SUSPECT && (seen.keys === shape.keys || mode === "Ignore")) {
    return { object: completed(object, target), warnings: [] };
  }
  return decodeSlowly(parseJson(text), [], target, mode);
}

function decodeYaml(body: Buffer, target: DecodeTarget, mode: FieldValidation): Decoded {
  try {
    const { value, duplicates } = parseYaml(body.toString());
    checkKind(value, target, body);
    if (value === null) return decodeSlowly(new JsonObject(), [], target, mode);
    if (!duplicates.length) {
      const object = checkerOf(target.schema)(value);
      if (object !== SUSPECT) return { object: completed(object, target), warnings: [] };
    }
    return decodeSlowly(jsonValueOf(value), duplicates, target, mode);
  } catch (error) {
    if (error instanceof YamlError) throw unrecognized(body, target, error.message);
    throw error;
  }
}

function decodeSlowly(
  document: JsonValue,
  yamlDuplicates: readonly string[],
  target: DecodeTarget,
  mode: FieldValidation,
): Decoded {
  try {
    const { value, problems } = readStrictly(document, target.schema);
    const object = completed(value, target);
    if (mode === "Ignore") return { object, warnings: [] };
    if (mode === "Warn") return { object, warnings: [...yamlDuplicates, ...problems] };
    const lines = yamlDuplicates.map((line) => `\n  ${line}`).join("");
    const yaml = lines ? [`yaml: unmarshal errors:${lines}`] : [];
    const all = [...yaml, ...problems];
    if (!all.length) return { object, warnings: [] };
    throw new DecodeError(`strict decoding error: ${all.join(", ")}`);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw unhandled(target.kind, target.version, target, error.message);
  }
}

/** Fills in what the URL says already. */
function completed(value: unknown, target: DecodeTarget): KubernetesObject {
  const object = value as KubernetesObject;
  if (!object.kind) object.kind = target.kind;
  if (!object.apiVersion) object.apiVersion = apiVersionOf(target);
  if (!object.metadata && "metadata" in target.schema.properties) {
    (object as Record<string, unknown>)["metadata"] = {};
  }
  return object;
}

function notJson(body: Buffer, text: string, target: DecodeTarget): StatusError {
  try {
    parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    return unrecognized(
      body,
      target,
      `couldn't get version/kind; json parse error: ${error.message}`,
    );
  }
  return unrecognized(body, target, "couldn't get version/kind; json parse error");
}

function unrecognized(body: Buffer, target: DecodeTarget, why: string): StatusError {
  const what = `the object provided is unrecognized (must be of type ${target.kind})`;
  return badRequest(`${what}: ${why} (${summary(body)})`);
}

function unhandled(kind: string, version: string, target: DecodeTarget, why: string): StatusError {
  return badRequest(
    `${kind} in version ${quote(version)} cannot be handled as a ${target.kind}: ${why}`,
  );
}

const SUMMARY_BYTES = 30;

function summary(body: Buffer): string {
  if (body.length === 0) return "<empty>";
  const start = body.subarray(0, SUMMARY_BYTES);
  const shown = body[0] === 0x7b ? start.toString() : start.toString("hex");
  return body.length > SUMMARY_BYTES ? `${shown} ...` : shown;
}

const HEAD_TYPE =
  'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; ' +
  'Kind string "json:\\"kind,omitempty\\"" }';

/** The body's own kind, where it says one, has to be the one asked for. */
function checkKind(value: unknown, target: DecodeTarget, body?: Buffer): void {
  const source = () => body ?? Buffer.from(JSON.stringify(value) ?? "");
  const wrong = headProblem(value);
  if (wrong) {
    throw unrecognized(source(), target, `couldn't get version/kind; json parse error: ${wrong}`);
  }
  const { kind, apiVersion } = (value ?? {}) as { kind?: string; apiVersion?: string };
  const expected = apiVersionOf(target);
  if ((!kind || kind === target.kind) && (!apiVersion || apiVersion === expected)) return;
  const parsed = parseApiVersion(apiVersion || expected);
  if (!parsed) {
    throw unrecognized(source(), target, `unexpected GroupVersion string: ${apiVersion}`);
  }
  checkOtherKind(kind || target.kind, apiVersion || expected, parsed, target);
}

function checkOtherKind(
  kind: string,
  apiVersion: string,
  { group, version }: { group: string; version: string },
  target: DecodeTarget,
): void {
  if (kind === "DeleteOptions" && target.kind === kind) return; // of any group
  if (!definitionOfKind(group, version, kind)) {
    const scheme = "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30";
    const what = `no kind ${quote(kind)} is registered for version ${quote(apiVersion)}`;
    const why = `${what} in scheme "${scheme}"`;
    throw unhandled(kind, version, target, why);
  }
  if (kind !== target.kind) {
    const from = `${version}.${kind}`;
    const to = `${target.group.split(".")[0] || "core"}.${target.kind}`;
    throw unhandled(kind, version, target, `converting (${from}) to (${to}): unknown conversion`);
  }
  throw badRequest(
    `the API version in the data (${apiVersion}) does not match the expected API version ` +
      `(${apiVersionOf(target)})`,
  );
}

function headProblem(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined;
  const document = typeof value === "object" ? value : jsonValueOf(value);
  if (Array.isArray(document))
    return `json: cannot unmarshal array into Go value of type ${HEAD_TYPE}`;
  if (typeof value !== "object") {
    const type = typeof value === "boolean" ? "bool" : typeof value;
    return `json: cannot unmarshal ${type} into Go value of type ${HEAD_TYPE}`;
  }
  for (const field of ["apiVersion", "kind"] as const) {
    const member = (value as Record<string, unknown>)[field];
    if (member === undefined || member === null || typeof member === "string") continue;
    const type = Array.isArray(member) ? "array" : typeof member;
    const name = type === "boolean" ? "bool" : type;
    return `json: cannot unmarshal ${name} into Go struct field .${field} of type string`;
  }
  return undefined;
}
