import type { StatusBody } from "../../shared/actor/api.ts";
import { encodedWithRevision, encodeObject } from "../../shared/api/encode.ts";
import { statusOf } from "../../shared/api/errors.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { Entry } from "../../shared/store/view.ts";
import { type EngineContext, logOfTable } from "./context.ts";
import type { Decided } from "./decided.ts";
import { type Form, negotiate } from "./negotiate.ts";
import { entryBytes, partialMetadata, presentedEntry, unstoredBytes } from "./present.ts";
import type { BodyResponse, ResourceRequest } from "./request.ts";
import { tableRow } from "./table/index.ts";
import { storeStatus, type Written } from "./write.ts";

const JSON_TYPE = "application/json";

export function answerBytes(
  code: number,
  body: readonly Uint8Array[],
  warnings: readonly string[] = [],
): BodyResponse {
  const answer = { type: "body", code, contentType: JSON_TYPE, body } as const;
  return warnings.length ? { ...answer, warnings } : answer;
}

export function answerJson(code: number, value: unknown): BodyResponse {
  return answerBytes(code, [Buffer.from(JSON.stringify(value))]);
}

/** A Status with its HTTP code; tells when to come again where the Status does. */
export function answerStatus(status: StatusBody): BodyResponse {
  const answer = answerJson(status.code, status);
  const seconds = status.details?.retryAfterSeconds;
  return seconds ? { ...answer, headers: { "Retry-After": String(seconds) } } : answer;
}

/** The Status of whatever went wrong. */
export function answerError(error: unknown): BodyResponse {
  return answerStatus(statusOf(storeStatus(error)));
}

/** One object in the form that the client asked for. */
export function answerEntry(
  context: EngineContext,
  request: ResourceRequest,
  form: Form,
  entry: Entry,
  code = 200,
  warnings: readonly string[] = [],
): BodyResponse {
  const { table } = request;
  if (form.type === "object") return answerBytes(code, [entryBytes(table, entry)], warnings);
  const presented = presentedEntry(table, entry);
  if (form.type === "metadata") {
    return answerBytes(code, [partialMetadata(presented.object)], warnings);
  }
  const row = { now: context.runtime.clock.now(), includeObject: form.includeObject };
  return answerBytes(code, [tableRow(table, presented, row)], warnings);
}

/** The object of a write, with the revision of the write as its resourceVersion. */
export function answerWrite(
  context: EngineContext,
  request: ResourceRequest,
  written: Written<Decided>,
  warnings: readonly string[],
): BodyResponse {
  const { key, object, code } = written.result;
  const form = negotiate(request);
  const bytes = writtenBytes(context, request, written);
  if (form.type === "object") return answerBytes(code, [bytes], warnings);
  const entry = temporaryEntry(key, bytes, written.revisionOf(key) ?? 0, object, context);
  return answerEntry(context, request, form, entry, code, warnings);
}

function writtenBytes(
  context: EngineContext,
  request: ResourceRequest,
  written: Written<Decided>,
): Buffer {
  const { table } = request;
  const { key, object } = written.result;
  const revision = written.revisionOf(key);
  if (revision !== undefined) {
    const stored = table.storedAs ? undefined : written.valueOf(key);
    return encodedWithRevision(stored ?? encodeObject(object), revision);
  }
  // Nothing was written: a dry run, or there was nothing to change.
  const present = logOfTable(context, table).projection.get(key);
  const version = present ? String(present.revision) : "";
  return unstoredBytes(object, object.metadata.resourceVersion ?? version);
}

function temporaryEntry(
  key: string,
  bytes: Buffer,
  revision: number,
  object: KubernetesObject,
  context: EngineContext,
): Entry {
  const { namespace = "", name } = object.metadata;
  const headers = { actor: "", replica: "", trace: "", cause: 0 };
  const time = context.runtime.clock.now();
  const decoded = JSON.parse(bytes.toString()) as KubernetesObject;
  const resource = key.slice(0, key.indexOf("/"));
  return { key, resource, namespace, name, revision, bytes, object: decoded, headers, time };
}
