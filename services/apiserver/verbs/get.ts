import { badRequest, notFound } from "../../../shared/api/errors.ts";
import { keyOf } from "../../../shared/api/key.ts";
import { type EngineContext, type Log, logOfTable, storedResource } from "../context.ts";
import { negotiate } from "../negotiate.ts";
import type { BodyResponse, ResourceRequest } from "../request.ts";
import { answerEntry } from "../respond.ts";

/** GET of one object: its bytes as they are in the projection. */
export async function get(context: EngineContext, request: ResourceRequest): Promise<BodyResponse> {
  const { table } = request;
  const form = negotiate(request);
  const log = logOfTable(context, table);
  await atLeast(log, request.query.get("resourceVersion") ?? "");
  const key = keyOf(storedResource(table), request.namespace, request.name);
  const entry = log.projection.get(key);
  if (entry === undefined) throw notFound(table, request.name);
  return answerEntry(context, request, form, entry);
}

/**
 * Waits for what a resourceVersion without a match asks for: "" the latest, "0" anything, otherwise
 * nothing older.
 */
export async function atLeast(log: Log, resourceVersion: string): Promise<void> {
  if (resourceVersion === "") await log.freshness.latest();
  else await log.freshness.reached(parseVersion(resourceVersion));
}

/** @throws StatusError BadRequest */
export function parseVersion(resourceVersion: string): number {
  if (/^[0-9]{1,15}$/.test(resourceVersion)) return Number(resourceVersion);
  const text = JSON.stringify(resourceVersion);
  const why = /^[0-9]+$/.test(resourceVersion) ? "value out of range" : "invalid syntax";
  throw badRequest(`invalid resource version: strconv.ParseUint: parsing ${text}: ${why}`);
}
