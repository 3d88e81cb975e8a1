import { badRequest, expired, StatusError } from "../../../shared/api/errors.ts";
import { type GroupResource, prefixOf } from "../../../shared/api/key.ts";
import { apiVersionOf } from "../../../shared/api/kinds.ts";
import type { KindTable } from "../../../shared/api/schema.ts";
import { CompactedError, FutureRevisionError, type Revision } from "../../../shared/store/store.ts";
import type { Entry, View } from "../../../shared/store/view.ts";
import { type EngineContext, type Log, logOfTable, storedResource } from "../context.ts";
import { type Continuation, decodeContinue, encodeContinue } from "../continue-token.ts";
import { tooLargeResourceVersion } from "../freshness.ts";
import { type Form, negotiate } from "../negotiate.ts";
import { type ListOptions, listOptions } from "../options.ts";
import { entryBytes, partialMetadata, presentedEntry } from "../present.ts";
import type { BodyResponse, ResourceRequest } from "../request.ts";
import { answerBytes } from "../respond.ts";
import { candidates, type Selection, selected, selectionOf } from "../select.ts";
import { tableList } from "../table/index.ts";
import { atLeast, parseVersion } from "./get.ts";

/** GET of a collection: the selected entries' bytes, one after the other. */
export async function list(
  context: EngineContext,
  request: ResourceRequest,
): Promise<BodyResponse> {
  const form = negotiate(request);
  const options = listOptions(request);
  const { table, namespace } = request;
  const { labelSelector, fieldSelector } = options;
  const selection = selectionOf(table, namespace, labelSelector, fieldSelector);
  const page = await readPage(context, selection, options);
  return answerBytes(200, listBody(context, table, form, page));
}

/** One page of a list, all of it as of one revision. */
export interface Page {
  readonly revision: Revision;
  readonly entries: readonly Entry[];
  readonly continue?: string;
  readonly remainingItemCount?: number;
  /** Everything of the kind, in the namespace unless that is "": the projection's own array. */
  readonly whole?: { readonly namespace: string };
}

/** @throws StatusError Expired, BadRequest, Timeout */
export async function readPage(
  context: EngineContext,
  selection: Selection,
  options: ListOptions,
): Promise<Page> {
  const log = logOfTable(context, selection.table);
  const from = options.continue ? continuationOf(options) : undefined;
  const view = await viewOf(log, storedResource(selection.table), options, from);
  // The present moves on while many entries are looked at.
  const { revision } = view;
  const prefix = prefixOfList(selection);
  const all = candidates(view, selection);
  const first = from ? firstAtOrAfter(all, prefix + from.start) : 0;
  const rest = first === 0 ? all : all.slice(first);
  const limit = options.limit > 0 ? options.limit : Number.POSITIVE_INFINITY;
  const found = await selected(rest, selection, context.slices, limit + 1);
  const { plain, namespace } = selection;
  if (found.length <= limit) {
    const whole = plain && first === 0 && view === log.projection ? { whole: { namespace } } : {};
    return { revision, entries: found, ...whole };
  }
  const entries = found.slice(0, limit);
  const last = entries[entries.length - 1] as Entry;
  const token = encodeContinue({ revision, start: `${last.key.slice(prefix.length)}\0` });
  const remaining = plain ? { remainingItemCount: found.length - limit } : {};
  return { revision, entries, continue: token, ...remaining };
}

function continuationOf(options: ListOptions): Continuation {
  if (options.resourceVersion !== "" && options.resourceVersion !== "0") {
    throw badRequest("specifying resource version is not allowed when using continue");
  }
  return decodeContinue(options.continue);
}

function prefixOfList({ table, namespace }: Selection): string {
  const resource = storedResource(table);
  if (!table.namespaced) return prefixOf(resource, "");
  return namespace === "" ? prefixOf(resource) : prefixOf(resource, namespace);
}

/** The state that the options ask for: the present one, or an earlier one that is still kept. */
async function viewOf(
  log: Log,
  resource: GroupResource,
  options: ListOptions,
  from: Continuation | undefined,
): Promise<View> {
  if (from) {
    if (from.revision === -1) {
      await log.freshness.latest();
      return log.projection;
    }
    return viewAt(log, resource, from.revision, () => inconsistentContinue(from));
  }
  const { resourceVersion, resourceVersionMatch, limit } = options;
  const exact =
    resourceVersionMatch === "Exact" ||
    (resourceVersionMatch === "" && limit > 0 && !["", "0"].includes(resourceVersion));
  if (!exact) {
    await atLeast(log, resourceVersion);
    return log.projection;
  }
  const revision = parseVersion(resourceVersion);
  return viewAt(log, resource, revision, () =>
    expired("The resourceVersion for the provided list is too old."),
  );
}

async function viewAt(
  log: Log,
  resource: GroupResource,
  revision: Revision,
  tooOld: () => Error,
): Promise<View> {
  await log.freshness.reached(revision);
  const { projection } = log;
  if (revision === projection.revision) return projection;
  try {
    if (revision < projection.oldest) return await log.earlier.view(resource, revision);
    return projection.at(revision);
  } catch (error) {
    if (error instanceof CompactedError) throw tooOld();
    if (error instanceof FutureRevisionError) {
      throw tooLargeResourceVersion(revision, projection.revision);
    }
    throw error;
  }
}

/** The rest of the list can still be had, but as of now. */
function inconsistentContinue(from: Continuation): Error {
  const message =
    "The provided continue parameter is too old to display a consistent list result. You can " +
    "start a new list without the continue parameter, or use the continue token in this response " +
    "to retrieve the remainder of the results. Continuing with the provided token results in an " +
    "inconsistent list - objects that were created, modified, or deleted between the time the " +
    "first chunk was returned and now may show up in the list.";
  const { body } = expired(message);
  const token = encodeContinue({ revision: -1, start: from.start });
  return new StatusError({ ...body, metadata: { continue: token } });
}

/** Index of the first entry whose key is not below; entries are in key order. */
function firstAtOrAfter(entries: readonly Entry[], key: string): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((entries[middle] as Entry).key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

const COMMA = Buffer.from(",");
const END = Buffer.from("]}");

/** The list as it is written: its head, the entries, its end. */
export function listBody(
  context: EngineContext,
  table: KindTable,
  form: Form,
  page: Page,
): readonly Uint8Array[] {
  const { entries, revision, remainingItemCount } = page;
  if (form.type === "table") {
    return tableList(
      table,
      entries.map((entry) => presentedEntry(table, entry)),
      {
        now: context.runtime.clock.now(),
        resourceVersion: String(revision),
        ...(page.continue ? { continue: page.continue } : {}),
        ...(remainingItemCount !== undefined ? { remainingItemCount } : {}),
        includeObject: form.includeObject,
      },
    );
  }
  const metadata = {
    resourceVersion: String(revision),
    continue: page.continue,
    remainingItemCount,
  };
  const type =
    form.type === "metadata"
      ? { kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1" }
      : { kind: table.listKind, apiVersion: apiVersionOf(table) };
  const head = JSON.stringify({ ...type, metadata, items: [] });
  const parts: Uint8Array[] = [Buffer.from(head.slice(0, -2))];
  const kept =
    form.type === "object" && !table.storedAs ? keptItems(context, table, page) : undefined;
  if (kept !== undefined) return [...parts, ...kept, END];
  for (const entry of entries) {
    if (parts.length > 1) parts.push(COMMA);
    parts.push(form.type === "metadata" ? partialMetadata(entry.object) : entryBytes(table, entry));
  }
  parts.push(END);
  return parts;
}

function keptItems(
  context: EngineContext,
  table: KindTable,
  { entries, whole }: Page,
): readonly Uint8Array[] | undefined {
  if (whole === undefined) return undefined;
  const { lists } = logOfTable(context, table);
  return lists.items(`${storedResource(table)}/${whole.namespace}`, entries);
}
