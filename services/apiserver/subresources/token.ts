import { decodeBody } from "../../../shared/api/decode.ts";
import { applyDefaults } from "../../../shared/api/defaults.ts";
import {
  conflict,
  type FieldError,
  invalid,
  invalidValue,
  notFound,
  StatusError,
} from "../../../shared/api/errors.ts";
import { keyOf } from "../../../shared/api/key.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import { kindSchema } from "../../../shared/api/schemas.ts";
import { formatTime } from "../../../shared/api/time.ts";
import { admit } from "../admission/index.ts";
import type { EngineContext } from "../context.ts";
import { type Asked, keyOfAsked } from "../decided.ts";
import { Draft } from "../draft.ts";
import { writeOptions } from "../options.ts";
import type { BodyResponse, ResourceRequest } from "../request.ts";
import { answerJson } from "../respond.ts";

const KIND = { group: "authentication.k8s.io", version: "v1", kind: "TokenRequest" };
const EXPIRATION_SECONDS_MIN = 600;
const EXPIRATION_SECONDS_MAX = 2 ** 32;

/** POST to serviceaccounts/<name>/token. */
export async function createToken(
  context: EngineContext,
  request: ResourceRequest,
): Promise<BodyResponse> {
  const options = writeOptions(request, "CreateOptions");
  const target = { ...KIND, schema: kindSchema(KIND.group, KIND.version, KIND.kind) };
  const body = request.body.length > 0 ? request.body : Buffer.from("{}");
  const { object } = decodeBody(body, request.contentType, target, options.fieldValidation);
  applyDefaults(target, object);
  object.spec ??= {};
  const errors = expirationErrors(object.spec.expirationSeconds);
  if (errors.length) throw invalid(KIND, "", errors);
  const answer = await decideWhenSure(context, options.asked, object);
  if (options.dryRun) answer.status = { token: "", expirationTimestamp: null };
  return answerJson(201, answer);
}

/** A refusal counts only once the projection has caught up: the pod may be brand-new. */
async function decideWhenSure(
  context: EngineContext,
  asked: Asked,
  request: KubernetesObject,
): Promise<KubernetesObject> {
  try {
    return issueToken(context, asked, request);
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    await context.logs.cluster.freshness.latest();
    return issueToken(context, asked, request);
  }
}

function expirationErrors(seconds: unknown): FieldError[] {
  const field = "spec.expirationSeconds";
  if (typeof seconds !== "number") return [];
  if (seconds < EXPIRATION_SECONDS_MIN) {
    return [invalidValue(field, seconds, "may not specify a duration less than 10 minutes")];
  }
  if (seconds > EXPIRATION_SECONDS_MAX) {
    return [invalidValue(field, seconds, "may not specify a duration larger than 2^32 seconds")];
  }
  return [];
}

function issueToken(
  context: EngineContext,
  asked: Asked,
  request: KubernetesObject,
): KubernetesObject {
  const now = context.runtime.clock.now();
  const draft = new Draft(context, now);
  const account = draft.read(keyOfAsked(asked));
  if (account === undefined) throw notFound(asked.table, asked.name);
  admit(draft, { operation: "CREATE", asked, object: request, old: undefined });
  const audiences: string[] = request.spec.audiences?.length
    ? request.spec.audiences
    : [context.tokens.audience];
  const expirationSeconds: number = request.spec.expirationSeconds ?? 3600;
  const bound = boundObject(draft, asked, request.spec.boundObjectRef);
  const { token, expiresAt } = context.tokens.issue({
    namespace: asked.namespace,
    serviceAccount: { name: asked.name, uid: account.metadata.uid ?? "" },
    audiences,
    expirationSeconds,
    ...bound,
  });
  return {
    ...request,
    metadata: {
      name: asked.name,
      namespace: asked.namespace,
      creationTimestamp: formatTime(now),
    },
    spec: { ...request.spec, audiences, expirationSeconds },
    status: { token, expirationTimestamp: formatTime(expiresAt) },
  };
}

interface Reference {
  readonly kind?: string;
  readonly apiVersion?: string;
  readonly name?: string;
  readonly uid?: string;
}

const PLURALS: Readonly<Record<string, { plural: string; namespaced: boolean }>> = {
  Pod: { plural: "pods", namespaced: true },
  Secret: { plural: "secrets", namespaced: true },
  Node: { plural: "nodes", namespaced: false },
};

/** What the token dies with. */
function boundObject(draft: Draft, asked: Asked, reference: Reference | undefined) {
  if (!reference) return {};
  const { kind = "", apiVersion, name = "", uid } = reference;
  const known = PLURALS[kind];
  if (known === undefined || apiVersion !== "v1") {
    const why = `cannot bind token for serviceaccount to type ${apiVersion}, Kind=${kind}`;
    throw invalid(KIND, "", [invalidValue("spec.boundObjectRef", reference, why)]);
  }
  const { plural, namespaced } = known;
  const found = draft.read(keyOf(plural, namespaced ? asked.namespace : "", name));
  if (found === undefined) throw notFound({ group: "", plural }, name);
  if (uid && uid !== found.metadata.uid) throw uidConflict(plural, name, uid, found);
  if (kind === "Pod" && (found.spec?.serviceAccountName ?? "") !== asked.name) {
    const why =
      `cannot bind token for serviceaccount "${asked.name}" ` +
      "to pod running with different serviceaccount name.";
    throw invalid(KIND, "", [invalidValue("spec.boundObjectRef", reference, why)]);
  }
  const boundTo = { kind: kind as "Pod", name, uid: found.metadata.uid ?? "" };
  const node: string | undefined = kind === "Pod" ? found.spec?.nodeName : undefined;
  const host = node ? draft.read(keyOf("nodes", "", node)) : undefined;
  if (node === undefined || host === undefined) return { boundTo };
  return { boundTo, node: { name: node, uid: host.metadata.uid ?? "" } };
}

function uidConflict(
  plural: string,
  name: string,
  uid: string,
  found: KubernetesObject,
): StatusError {
  const why =
    `the UID in the bound object reference (${uid}) does not match the UID in record ` +
    `(${found.metadata.uid}). The object might have been deleted and then recreated`;
  return conflict({ group: "", plural }, name, why);
}
