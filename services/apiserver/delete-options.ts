import { decodeBody } from "../../shared/api/decode.ts";
import { invalid } from "../../shared/api/errors.ts";
import { kindSchema } from "../../shared/api/schemas.ts";
import { validateDeleteOptions } from "../../shared/api/validation/index.ts";
import { booleanOf, integerOf } from "./options.ts";
import type { ResourceRequest } from "./request.ts";

/** DeleteOptions (meta/v1), checked. */
export interface DeleteOptions {
  readonly gracePeriodSeconds?: number | undefined;
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan" | undefined;
  readonly orphanDependents?: boolean | undefined;
  readonly preconditions?:
    | { readonly uid?: string | undefined; readonly resourceVersion?: string | undefined }
    | undefined;
  readonly dryRun: boolean;
}

type Fields = Omit<Partial<DeleteOptions>, "dryRun" | "propagationPolicy"> & {
  readonly dryRun?: readonly string[] | undefined;
  readonly propagationPolicy?: string | undefined;
};

/**
 * The options in the body; without a body, those of the query.
 * @throws StatusError BadRequest, UnsupportedMediaType, Invalid
 */
export function deleteOptionsOf(
  request: Pick<ResourceRequest, "body" | "contentType" | "query">,
): DeleteOptions {
  const { body, contentType, query } = request;
  if (body.length === 0) return checkDeleteOptions(fromQuery(query), query);
  const target = { group: "", version: "v1", kind: "DeleteOptions" };
  const schema = kindSchema(target.group, target.version, target.kind);
  const { object } = decodeBody(body, contentType, { ...target, schema }, "Ignore");
  return checkDeleteOptions(object as Fields, query);
}

/** The same for options that are part of another body (pods/eviction). */
export function checkDeleteOptions(
  options: Fields,
  query: URLSearchParams = new URLSearchParams(),
): DeleteOptions {
  const dryRun = [...(options.dryRun ?? []), ...query.getAll("dryRun")];
  const errors = validateDeleteOptions({ ...options, dryRun });
  if (errors.length) throw invalid({ group: "meta.k8s.io", kind: "DeleteOptions" }, "", errors);
  const { gracePeriodSeconds, orphanDependents, preconditions } = options;
  const propagationPolicy = options.propagationPolicy as DeleteOptions["propagationPolicy"];
  return {
    gracePeriodSeconds,
    propagationPolicy,
    orphanDependents,
    preconditions,
    dryRun: dryRun.length > 0,
  };
}

function fromQuery(query: URLSearchParams): Fields {
  return {
    gracePeriodSeconds: integerOf(query, "gracePeriodSeconds"),
    propagationPolicy: query.get("propagationPolicy") ?? undefined,
    orphanDependents: booleanOf(query, "orphanDependents"),
  };
}
