import type { Key } from "../../../shared/store/store.ts";
import { type EngineContext, logOfTable } from "../context.ts";
import type { Draft } from "../draft.ts";
import type { WriteOptions } from "../options.ts";
import type { ResourceRequest } from "../request.ts";
import { type Written, write } from "../write.ts";

/** Runs the decision of one request to its commit. */
export function runWrite<T>(
  context: EngineContext,
  request: ResourceRequest,
  options: Pick<WriteOptions, "dryRun">,
  job: { keys: readonly Key[]; decide: (draft: Draft) => T },
): Promise<Written<T>> {
  const { actor, replica, trace, cause } = request;
  return write(context, {
    log: logOfTable(context, request.table),
    headers: { actor, replica, trace, cause },
    dryRun: options.dryRun,
    ...job,
  });
}
