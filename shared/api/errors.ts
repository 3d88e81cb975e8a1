import type { StatusBody } from "../actor/api.ts";
import { type FieldError, fieldErrorBody, fieldErrorsMessage } from "./field-error.ts";
import { quote } from "./quote.ts";
import type { KindTable } from "./schema.ts";

export * from "./field-error.ts";

/** What a resource's messages are built from; a KindTable is one. */
export type ResourceName = Pick<KindTable, "group" | "plural">;
export type KindName = Pick<KindTable, "group" | "kind">;

type Details = NonNullable<StatusBody["details"]>;
export type StatusCause = NonNullable<Details["causes"]>[number];

/** A failure that is answered to the client as it is: a Kubernetes Status with its HTTP code. */
export class StatusError extends Error {
  readonly body: StatusBody;
  constructor(body: StatusBody, options?: ErrorOptions) {
    super(body.message, options);
    this.name = "StatusError";
    this.body = body;
  }
}

/** The Status of a failure. Empty details are left out, as in Kubernetes' JSON. */
export function failure(
  code: number,
  reason: string,
  message: string,
  details?: Details,
): StatusError {
  const body: StatusBody = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    ...(details ? { details: withoutEmpty(details) } : {}),
    code,
  };
  return new StatusError(body);
}

function withoutEmpty(details: Details): Details {
  const kept = Object.entries(details).filter(
    ([, value]) => value && !(Array.isArray(value) && value.length === 0),
  );
  return Object.fromEntries(kept);
}

/** `pods`, `deployments.apps` */
export function printResource(resource: ResourceName): string {
  return resource.group ? `${resource.plural}.${resource.group}` : resource.plural;
}

/** `Pod`, `Deployment.apps` */
export function printKind(kind: KindName): string {
  return kind.group ? `${kind.kind}.${kind.group}` : kind.kind;
}

function detailsOf(resource: ResourceName, name: string): Details {
  return { name, group: resource.group, kind: resource.plural };
}

export function notFound(resource: ResourceName, name: string): StatusError {
  const message = `${printResource(resource)} ${quote(name)} not found`;
  return failure(404, "NotFound", message, detailsOf(resource, name));
}

/** For paths that name no resource at all. */
export function pathNotFound(): StatusError {
  return failure(404, "NotFound", "the server could not find the requested resource", {});
}

export function alreadyExists(resource: ResourceName, name: string): StatusError {
  const message = `${printResource(resource)} ${quote(name)} already exists`;
  return failure(409, "AlreadyExists", message, detailsOf(resource, name));
}

/** No free name was found for a generateName. */
export function generateNameConflict(
  resource: ResourceName,
  name: string,
  retryAfterSeconds: number,
): StatusError {
  const message =
    `${printResource(resource)} ${quote(name)} already exists, ` +
    "the server was not able to generate a unique name for the object";
  const details = { ...detailsOf(resource, name), retryAfterSeconds };
  return failure(409, "AlreadyExists", message, details);
}

export const OBJECT_MODIFIED =
  "the object has been modified; please apply your changes to the latest version and try again";

export function conflict(
  resource: ResourceName,
  name: string,
  why: string = OBJECT_MODIFIED,
): StatusError {
  const what = `${printResource(resource)} ${quote(name)}`;
  const message = `Operation cannot be fulfilled on ${what}: ${why}`;
  return failure(409, "Conflict", message, detailsOf(resource, name));
}

/** Fields that other managers own; causes have the reason FieldManagerConflict. */
export function applyConflict(causes: readonly StatusCause[], message: string): StatusError {
  return failure(409, "Conflict", message, { causes });
}

export function invalid(kind: KindName, name: string, errors: readonly FieldError[]): StatusError {
  const causes = errors.map((error) => ({
    reason: error.type,
    message: fieldErrorBody(error),
    field: error.field,
  }));
  const what = `${printKind(kind)} ${quote(name)} is invalid`;
  const message = errors.length ? `${what}: ${fieldErrorsMessage(errors)}` : what;
  return failure(422, "Invalid", message, { name, group: kind.group, kind: kind.kind, causes });
}

export function badRequest(message: string): StatusError {
  return failure(400, "BadRequest", message);
}

/** Refused by admission: `pods "web" is forbidden: exceeded quota: ...`. */
export function forbidden(resource: ResourceName, name: string, why: string): StatusError {
  const what = printResource(resource);
  const message = !what
    ? `forbidden: ${why}`
    : name
      ? `${what} ${quote(name)} is forbidden: ${why}`
      : `${what} is forbidden: ${why}`;
  return failure(403, "Forbidden", message, detailsOf(resource, name));
}

/** Who was refused what by authorization. `path` instead of a resource for other requests. */
export interface Refused {
  readonly user: string;
  readonly verb: string;
  readonly group?: string;
  readonly resource?: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly path?: string;
  /** What the authorizer adds, e.g. that a role was not found. */
  readonly reason?: string;
}

/** Refused by authorization, in Kubernetes' words. */
export function unauthorizedAction(refused: Refused): StatusError {
  const { group = "", resource = "", subresource, namespace, name = "", reason } = refused;
  const who = `User ${quote(refused.user)} cannot ${refused.verb}`;
  let what = `${who} path ${quote(refused.path ?? "")}`;
  if (resource) {
    const target = subresource ? `${resource}/${subresource}` : resource;
    const scope = namespace ? `in the namespace ${quote(namespace)}` : "at the cluster scope";
    what = `${who} resource ${quote(target)} in API group ${quote(group)} ${scope}`;
  }
  const why = what.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return forbidden({ group, plural: resource }, name, reason ? `${why}: ${reason}` : why);
}

export function unauthorized(message = "Unauthorized"): StatusError {
  return failure(401, "Unauthorized", message);
}

/** The revision asked for has been compacted, or a continue token is too old. */
export function expired(message: string): StatusError {
  return failure(410, "Expired", message);
}

export function gone(message: string): StatusError {
  return failure(410, "Gone", message);
}

export function methodNotSupported(resource: ResourceName, action: string): StatusError {
  const kind = quote(printResource(resource));
  const message = `${action} is not supported on resources of kind ${kind}`;
  return failure(405, "MethodNotAllowed", message, {
    group: resource.group,
    kind: resource.plural,
  });
}

/** The method has no meaning on this path. */
export function methodNotAllowed(): StatusError {
  const message = "the server does not allow this method on the requested resource";
  return failure(405, "MethodNotAllowed", message, {});
}

export function requestTooLarge(limitBytes: number): StatusError {
  const message = `Request entity too large: limit is ${limitBytes}`;
  return failure(413, "RequestEntityTooLarge", message);
}

export function unsupportedMediaType(accepted: readonly string[]): StatusError {
  const message =
    "the body of the request was in an unknown format - accepted media types include: " +
    accepted.join(", ");
  return failure(415, "UnsupportedMediaType", message);
}

export function notAcceptable(accepted: readonly string[]): StatusError {
  const message = `only the following media types are accepted: ${accepted.join(", ")}`;
  return failure(406, "NotAcceptable", message);
}

export function timeout(message: string, retryAfterSeconds = 0): StatusError {
  return failure(504, "Timeout", `Timeout: ${message}`, { retryAfterSeconds });
}

/** The operation may be tried again: what it depends on is not there at the moment. */
export function serverTimeout(
  resource: ResourceName,
  operation: string,
  retryAfterSeconds = 0,
): StatusError {
  const message =
    `The ${operation} operation against ${printResource(resource)} ` +
    "could not be completed at this time, please try again.";
  const details = { ...detailsOf(resource, operation), retryAfterSeconds };
  return failure(500, "ServerTimeout", message, details);
}

/** `causes` name what refused, e.g. DisruptionBudget. */
export function tooManyRequests(
  message: string,
  retryAfterSeconds = 0,
  causes: readonly StatusCause[] = [],
): StatusError {
  return failure(429, "TooManyRequests", message, { causes, retryAfterSeconds });
}

export function serviceUnavailable(message: string): StatusError {
  return failure(503, "ServiceUnavailable", message);
}

export function internalError(message: string): StatusError {
  const text = `Internal error occurred: ${message}`;
  return failure(500, "InternalError", text, { causes: [{ message }] });
}

/** What is answered for a thrown value that nobody expected: never its stack. */
export function statusOf(error: unknown): StatusBody {
  if (error instanceof StatusError) return error.body;
  return internalError(error instanceof Error ? error.message : String(error)).body;
}

/** The Status of a success, e.g. of a deletion that is complete. */
export function success(resource: ResourceName, name: string, uid?: string): StatusBody {
  const details = withoutEmpty({ ...detailsOf(resource, name), ...(uid ? { uid } : {}) });
  const kind = { kind: "Status", apiVersion: "v1", metadata: {} } as const;
  return { ...kind, status: "Success", details, code: 200 };
}
