import { methodNotSupported, StatusError } from "../../shared/api/errors.ts";
import { StoreError } from "../../shared/store/store.ts";
import { authorize } from "./authorize.ts";
import { createContext, type EngineContext, type EngineOptions } from "./context.ts";
import { negotiate } from "./negotiate.ts";
import { commitPlan } from "./plan.ts";
import type { Engine, ResourceRequest, ResourceResponse, Verb } from "./request.ts";
import { answerError } from "./respond.ts";
import { createBinding } from "./subresources/binding.ts";
import { createEviction } from "./subresources/eviction.ts";
import { createReview, REVIEWS } from "./subresources/reviews.ts";
import { getScale, patchScale, updateScale } from "./subresources/scale.ts";
import { createToken } from "./subresources/token.ts";
import { create } from "./verbs/create.ts";
import { remove } from "./verbs/delete.ts";
import { deleteCollection } from "./verbs/deletecollection.ts";
import { get } from "./verbs/get.ts";
import { list } from "./verbs/list.ts";
import { patch } from "./verbs/patch.ts";
import { update } from "./verbs/update.ts";
import { watch } from "./verbs/watch.ts";

export type { EngineOptions, ServiceNetwork } from "./context.ts";

/** The one implementation behind HTTPS and the bus: authorize, admit, decide, commit, answer. */
export function createEngine(options: EngineOptions): Engine {
  return engineOf(createContext(options));
}

/** The engine on a context that others use as well (the bus server's watches). */
export function engineOf(context: EngineContext): Engine {
  return {
    handle: (request) => handle(context, request),
    plan: (request) => commitPlan(context, request),
  };
}

type Handler = (context: EngineContext, request: ResourceRequest) => Promise<ResourceResponse>;

const VERBS: Readonly<Record<Verb, Handler>> = {
  get,
  list,
  watch,
  create,
  update,
  patch,
  delete: remove,
  deletecollection: deleteCollection,
};

/** `<subresource> <verb>`; what is written like the object itself differs in update.ts. */
const SUBRESOURCES: Readonly<Record<string, Handler>> = {
  "status get": get,
  "status update": update,
  "status patch": patch,
  "finalize update": update,
  "scale get": getScale,
  "scale update": updateScale,
  "scale patch": patchScale,
  "binding create": createBinding,
  "eviction create": createEviction,
  "token create": createToken,
  "ephemeralcontainers get": get,
  "ephemeralcontainers update": update,
  "ephemeralcontainers patch": patch,
};

async function handle(context: EngineContext, request: ResourceRequest): Promise<ResourceResponse> {
  try {
    authorizeRequest(context, request);
    const handler = handlerOf(request);
    if (handler === undefined) throw methodNotSupported(request.table, request.verb);
    negotiate(request);
    return warned(request, await handler(context, request));
  } catch (error) {
    const expected = error instanceof StatusError || error instanceof StoreError;
    if (!expected) context.logger.error({ err: error, trace: request.trace }, "a request failed");
    return answerError(error);
  }
}

/** Kinds that upstream warns of, by group resource. */
const DEPRECATED: Readonly<Record<string, string>> = {
  endpoints: "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
};

function warned({ table }: ResourceRequest, response: ResourceResponse): ResourceResponse {
  const warning = table.group === "" ? DEPRECATED[table.plural] : undefined;
  if (warning === undefined) return response;
  return { ...response, warnings: [warning, ...(response.warnings ?? [])] };
}

/** The one object that a field selector leaves, so that rules for its name apply. */
function selectedName(fieldSelector: string): string {
  const names = fieldSelector.split(",").flatMap((part) => {
    const match = /^metadata\.name==?([^=!].*)$/.exec(part);
    return match?.[1] ?? [];
  });
  return names[0] ?? "";
}

function authorizeRequest(context: EngineContext, request: ResourceRequest): void {
  const { user, verb, table, subresource, namespace, name, query } = request;
  const asked = {
    user,
    verb,
    group: table.group,
    resource: table.plural,
    subresource: subresource?.name ?? "",
    namespace,
    name,
  };
  const selects = verb === "list" || verb === "watch" || verb === "deletecollection";
  if (!selects) {
    authorize(context, asked);
    return;
  }
  const fieldSelector = query.get("fieldSelector") ?? "";
  authorize(context, { ...asked, name: name || selectedName(fieldSelector), fieldSelector });
}

function handlerOf({ table, subresource, verb }: ResourceRequest): Handler | undefined {
  if (subresource) {
    return subresource.verbs.includes(verb)
      ? SUBRESOURCES[`${subresource.name} ${verb}`]
      : undefined;
  }
  if (!table.verbs.includes(verb)) return undefined;
  if (table.log !== "none") return VERBS[verb];
  return REVIEWS.has(table.kind) ? createReview : undefined;
}
