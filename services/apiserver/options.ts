import type { FieldValidation } from "../../shared/api/decode.ts";
import {
  badRequest,
  type FieldError,
  forbiddenField,
  invalid,
  notSupported,
} from "../../shared/api/errors.ts";
import { managerName } from "../../shared/api/patch/apply.ts";
import { validateWriteOptions } from "../../shared/api/validation/index.ts";
import type { Asked } from "./decided.ts";
import type { ResourceRequest } from "./request.ts";

const META_GROUP = "meta.k8s.io";

/** The query parameters that all writes share, checked. */
export interface WriteOptions {
  readonly asked: Asked;
  readonly dryRun: boolean;
  readonly fieldValidation: FieldValidation;
  /** Of server-side apply: take fields over from other managers. */
  readonly force: boolean;
}

export type OptionsKind = "CreateOptions" | "UpdateOptions" | "PatchOptions" | "DeleteOptions";

/** @throws StatusError Invalid, BadRequest */
export function writeOptions(request: ResourceRequest, kind: OptionsKind): WriteOptions {
  const { query } = request;
  // Without parameters there is nothing to check, except that apply demands one.
  if (query.size === 0 && (kind !== "PatchOptions" || operationOf(request, kind) !== "apply")) {
    const asked = askedOf(request, "");
    return { asked, dryRun: false, fieldValidation: "Warn", force: false };
  }
  const dryRun = query.getAll("dryRun").filter((value) => value !== "");
  const fieldManager = query.get("fieldManager") ?? "";
  const fieldValidation = query.get("fieldValidation") || "Warn";
  const force = kind === "PatchOptions" ? booleanOf(query, "force") : undefined;
  const stated = {
    dryRun,
    fieldManager,
    fieldValidation,
    ...(force === undefined ? {} : { force }),
  };
  const errors = validateWriteOptions(stated, operationOf(request, kind));
  if (errors.length) throw invalid({ group: META_GROUP, kind }, "", errors);
  return {
    asked: askedOf(request, fieldManager),
    dryRun: dryRun.length > 0,
    fieldValidation: fieldValidation as FieldValidation,
    force: force ?? false,
  };
}

function askedOf(request: ResourceRequest, fieldManager: string): Asked {
  const { user, table, namespace, name, userAgent } = request;
  const subresource = request.subresource?.name ?? "";
  const manager = managerName(fieldManager, userAgent);
  return { user, table, namespace, name, subresource, manager };
}

export const APPLY_TYPE = "application/apply-patch+yaml";

function operationOf({ contentType }: ResourceRequest, kind: OptionsKind) {
  if (kind === "PatchOptions") return mediaType(contentType) === APPLY_TYPE ? "apply" : "patch";
  return kind === "CreateOptions" ? "create" : "update";
}

/** `application/json` of `application/json; charset=utf-8`. */
export function mediaType(contentType: string): string {
  return (contentType.split(";")[0] ?? "").trim().toLowerCase();
}

export function booleanOf(query: URLSearchParams, name: string): boolean | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  // As upstream's query conversion: all but these count as true.
  return text !== "false" && text !== "0";
}

/** A whole number; undefined when absent. */
export function integerOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === "") return undefined;
  if (/^-?[0-9]{1,15}$/.test(text)) return Number(text);
  throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
}

/** What lists and watches ask for, checked as upstream checks ListOptions. */
export interface ListOptions {
  readonly labelSelector: string;
  readonly fieldSelector: string;
  readonly resourceVersion: string;
  readonly resourceVersionMatch: "" | "Exact" | "NotOlderThan";
  readonly limit: number;
  readonly continue: string;
  readonly timeoutSeconds: number | undefined;
  readonly allowWatchBookmarks: boolean;
  readonly sendInitialEvents: boolean | undefined;
}

/** @throws StatusError Invalid, BadRequest */
export function listOptions(request: Pick<ResourceRequest, "query" | "verb">): ListOptions {
  const { query } = request;
  const text = (name: string): string => query.get(name) ?? "";
  const match = text("resourceVersionMatch");
  const sendInitialEvents = booleanOf(query, "sendInitialEvents");
  const watch = request.verb === "watch";
  const errors = watch
    ? watchErrors(match, text("continue"), sendInitialEvents)
    : listErrors(match, text("resourceVersion"), text("continue"), sendInitialEvents);
  if (errors.length) throw invalid({ group: META_GROUP, kind: "ListOptions" }, "", errors);
  return {
    labelSelector: text("labelSelector"),
    fieldSelector: text("fieldSelector"),
    resourceVersion: text("resourceVersion"),
    resourceVersionMatch: match as ListOptions["resourceVersionMatch"],
    limit: integerOf(query, "limit") ?? 0,
    continue: text("continue"),
    timeoutSeconds: integerOf(query, "timeoutSeconds"),
    allowWatchBookmarks: booleanOf(query, "allowWatchBookmarks") ?? false,
    sendInitialEvents,
  };
}

const MATCH = "resourceVersionMatch";

function listErrors(
  match: string,
  resourceVersion: string,
  token: string,
  sendInitialEvents: boolean | undefined,
): FieldError[] {
  const errors: FieldError[] = [];
  if (match !== "") {
    if (resourceVersion === "") {
      const why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
      errors.push(forbiddenField(MATCH, why));
    }
    if (token !== "") errors.push(forbiddenField(MATCH, FORBIDDEN_WITH_CONTINUE));
    if (match !== "Exact" && match !== "NotOlderThan") {
      errors.push(notSupported(MATCH, match, ["Exact", "NotOlderThan", ""]));
    }
    if (match === "Exact" && resourceVersion === "0") {
      const why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"';
      errors.push(forbiddenField(MATCH, why));
    }
  }
  if (sendInitialEvents !== undefined) {
    const why = "sendInitialEvents is forbidden for list";
    errors.push(forbiddenField("sendInitialEvents", why));
  }
  return errors;
}

const FORBIDDEN_WITH_CONTINUE = "resourceVersionMatch is forbidden when continue is provided";

function watchErrors(
  match: string,
  token: string,
  sendInitialEvents: boolean | undefined,
): FieldError[] {
  const errors: FieldError[] = [];
  if (sendInitialEvents !== undefined && match !== "NotOlderThan") {
    const why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
    errors.push(forbiddenField(MATCH, why));
  }
  if (match === "") return errors;
  if (sendInitialEvents === undefined) {
    const why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
    errors.push(forbiddenField(MATCH, why));
  }
  if (match !== "NotOlderThan") errors.push(notSupported(MATCH, match, ["NotOlderThan"]));
  if (token !== "") errors.push(forbiddenField(MATCH, FORBIDDEN_WITH_CONTINUE));
  return errors;
}
