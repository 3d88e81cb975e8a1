import { z } from "zod";
import {
  badRequest,
  type FieldError,
  invalid,
  invalidValue,
  notSupported,
} from "../../shared/api/errors.ts";
import { booleanOf, dryRunOf, integerOf } from "./options.ts";
import { plainBody } from "./plain-body.ts";
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

const shape = z.looseObject({
  kind: z.string().nullish(),
  gracePeriodSeconds: z.int().nullish(),
  propagationPolicy: z.string().nullish(),
  orphanDependents: z.boolean().nullish(),
  preconditions: z
    .looseObject({ uid: z.string().nullish(), resourceVersion: z.string().nullish() })
    .nullish(),
  dryRun: z.array(z.string()).nullish(),
});
type Shape = z.infer<typeof shape>;

const POLICIES = ["Foreground", "Background", "Orphan"];

/**
 * The options in the body; without a body, those of the query.
 * @throws StatusError BadRequest, Invalid
 */
export function deleteOptionsOf(
  request: Pick<ResourceRequest, "body" | "contentType" | "query">,
): DeleteOptions {
  return checkDeleteOptions(plainBody(request) ?? fromQuery(request.query), request.query);
}

/** The same for options that are part of another body (pods/eviction). */
export function checkDeleteOptions(
  given: Record<string, unknown>,
  query: URLSearchParams = new URLSearchParams(),
): DeleteOptions {
  const parsed = shape.safeParse(given);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw badRequest(`DeleteOptions.${issue?.path.join(".")}: ${issue?.message}`);
  }
  const options = parsed.data;
  if (options.kind && options.kind !== "DeleteOptions") {
    throw badRequest(`decoded object cannot be converted to DeleteOptions: ${options.kind}`);
  }
  const errors = policyErrors(options);
  const dryRun = dryRunOf([...(options.dryRun ?? []), ...query.getAll("dryRun")], errors);
  if (errors.length) throw invalid({ group: "meta.k8s.io", kind: "DeleteOptions" }, "", errors);
  return {
    gracePeriodSeconds: options.gracePeriodSeconds ?? undefined,
    propagationPolicy: (options.propagationPolicy ??
      undefined) as DeleteOptions["propagationPolicy"],
    orphanDependents: options.orphanDependents ?? undefined,
    preconditions: {
      uid: options.preconditions?.uid ?? undefined,
      resourceVersion: options.preconditions?.resourceVersion ?? undefined,
    },
    dryRun,
  };
}

function policyErrors({ propagationPolicy, orphanDependents }: Shape): FieldError[] {
  if (propagationPolicy === undefined || propagationPolicy === null) return [];
  const field = "propagationPolicy";
  if (orphanDependents !== undefined && orphanDependents !== null) {
    const detail = "orphanDependents and deletionPropagation cannot be both set";
    return [invalidValue(field, propagationPolicy, detail)];
  }
  if (POLICIES.includes(propagationPolicy)) return [];
  return [notSupported(field, propagationPolicy, [...POLICIES, "nil"])];
}

function fromQuery(query: URLSearchParams): Record<string, unknown> {
  return {
    gracePeriodSeconds: integerOf(query, "gracePeriodSeconds"),
    propagationPolicy: query.get("propagationPolicy") ?? undefined,
    orphanDependents: booleanOf(query, "orphanDependents"),
  };
}
