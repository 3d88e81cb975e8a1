import { StatusError } from "../../../shared/api/errors.ts";
import type { EngineContext } from "../context.ts";
import { keyOfAsked } from "../decided.ts";
import { type DeleteOptions, deleteOptionsOf } from "../delete-options.ts";
import { listOptions, writeOptions } from "../options.ts";
import type { BodyResponse, ResourceRequest } from "../request.ts";
import { answerBytes } from "../respond.ts";
import { selectionOf } from "../select.ts";
import { decideDelete } from "./delete.ts";
import { listBody, readPage } from "./list.ts";
import { runWrite } from "./run-write.ts";

/** Deletions that are under way at once. */
const PARALLEL = 64;

/** DELETE of a collection: each selected object by itself, as upstream; answers what it listed. */
export async function deleteCollection(
  context: EngineContext,
  request: ResourceRequest,
): Promise<BodyResponse> {
  const options = deleteOptionsOf(request);
  const listing = listOptions({ query: request.query, verb: "list" });
  writeOptions(request, "DeleteOptions");
  const { table, namespace } = request;
  const { labelSelector, fieldSelector } = listing;
  const selection = selectionOf(table, namespace, labelSelector, fieldSelector);
  const page = await readPage(context, selection, listing);
  for (let start = 0; start < page.entries.length; start += PARALLEL) {
    const some = page.entries.slice(start, start + PARALLEL);
    await Promise.all(
      some.map((entry) =>
        deleteOne(context, { ...request, namespace: entry.namespace, name: entry.name }, options),
      ),
    );
  }
  return answerBytes(200, listBody(context, table, { type: "object" }, page));
}

/** What has gone meanwhile is what was wanted. */
async function deleteOne(
  context: EngineContext,
  request: ResourceRequest,
  options: DeleteOptions,
): Promise<void> {
  const { asked } = writeOptions(request, "DeleteOptions");
  try {
    await runWrite(context, request, options, {
      keys: [keyOfAsked(asked)],
      decide: (draft) => decideDelete(draft, asked, options),
    });
  } catch (error) {
    if (error instanceof StatusError && error.body.code === 404) return;
    throw error;
  }
}
