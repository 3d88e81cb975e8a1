import { badRequest, invalid, required } from "../../../shared/api/errors.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import { validateCreate } from "../../../shared/api/validation/index.ts";
import type { EngineContext } from "../context.ts";
import { decodeRequest } from "../decode-request.ts";
import { writeOptions } from "../options.ts";
import type { BodyResponse, ResourceRequest, UserInfo } from "../request.ts";
import { answerJson } from "../respond.ts";

type Review = (
  context: EngineContext,
  request: ResourceRequest,
  spec: KubernetesObject["spec"],
) => unknown;

/** Kinds that are questions: POSTed, answered in their status, never stored. */
const BY_KIND: Readonly<Record<string, Review>> = {
  SubjectAccessReview: reviewSubject,
  LocalSubjectAccessReview: reviewSubject,
  SelfSubjectAccessReview: (context, { user }, spec) => decision(context, user, spec),
  SelfSubjectReview: (_, { user }) => ({ userInfo: userInfoOf(user) }),
  TokenReview: reviewToken,
  SelfSubjectRulesReview: reviewRules,
};

export const REVIEWS: ReadonlySet<string> = new Set(Object.keys(BY_KIND));

/** POST of a review. */
export async function createReview(
  context: EngineContext,
  request: ResourceRequest,
): Promise<BodyResponse> {
  const { fieldValidation } = writeOptions(request, "CreateOptions");
  const body = request.body.length > 0 ? request.body : Buffer.from("{}");
  const { object } = decodeRequest({ ...request, body }, fieldValidation);
  if (request.table.namespaced) object.metadata.namespace ??= request.namespace;
  const errors = validateCreate(request.table, object);
  if (errors.length) throw invalid(request.table, "", errors);
  await context.logs.cluster.freshness.latest();
  const review = BY_KIND[request.table.kind] as Review;
  const status = review(context, request, object.spec ?? {});
  return answerJson(201, { ...object, status });
}

interface ResourceAttributes {
  namespace?: string;
  verb?: string;
  group?: string;
  resource?: string;
  subresource?: string;
  name?: string;
}

interface AccessSpec {
  resourceAttributes?: ResourceAttributes;
  nonResourceAttributes?: { path?: string; verb?: string };
  user?: string;
  groups?: string[];
  uid?: string;
  extra?: Record<string, string[]>;
}

function decision(context: EngineContext, user: UserInfo, spec: AccessSpec): unknown {
  const { resourceAttributes: asked, nonResourceAttributes: other } = spec;
  const { allowed, reason } = context.authorizer.authorize({
    user,
    verb: asked?.verb ?? other?.verb ?? "",
    group: asked?.group ?? "",
    resource: asked?.resource ?? "",
    subresource: asked?.subresource ?? "",
    namespace: asked?.namespace ?? "",
    name: asked?.name ?? "",
    ...(other ? { path: other.path ?? "" } : {}),
  });
  return reason ? { allowed, reason } : { allowed };
}

function reviewSubject(context: EngineContext, _: ResourceRequest, spec: AccessSpec): unknown {
  const { user: username = "", groups = [], uid, extra } = spec;
  const user = { username, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) };
  return decision(context, user, spec);
}

function userInfoOf({ username, uid, groups, extra }: UserInfo): unknown {
  return { username, ...(uid ? { uid } : {}), groups, ...(extra ? { extra } : {}) };
}

function reviewToken(
  context: EngineContext,
  request: ResourceRequest,
  spec: { token?: string; audiences?: string[] },
): unknown {
  if (!spec.token) throw invalid(request.table, "", [required("spec.token", "")]);
  const verified = context.tokens.verify(
    spec.token,
    spec.audiences?.length ? spec.audiences : undefined,
  );
  if (!verified.valid) return { user: {}, error: verified.error };
  const { user, audiences } = verified;
  return { authenticated: true, user: userInfoOf(user), audiences };
}

function reviewRules(
  context: EngineContext,
  request: ResourceRequest,
  spec: { namespace?: string },
): unknown {
  if (!spec.namespace) throw badRequest("no namespace on request");
  const rules = context.authorizer.rulesFor?.(request.user, spec.namespace);
  return rules ?? { resourceRules: [], nonResourceRules: [], incomplete: true };
}
