import { forbidden, type StatusError } from "../../../shared/api/errors.ts";
import type { Draft } from "../draft.ts";
import type { AdmissionObject } from "../request.ts";

export interface AdmissionRequest extends AdmissionObject {
  /** "" for cluster-scoped kinds. */
  readonly namespace: string;
  readonly name: string;
}

/** Changes the object of a write, or throws a StatusError to refuse it. Reads only the draft. */
export type AdmissionPlugin = (draft: Draft, request: AdmissionRequest) => void;

/** `pods "web" is forbidden: <why>` */
export function refuse({ table, name }: AdmissionRequest, why: string): StatusError {
  return forbidden(table, name, why);
}

/** Whether the request writes (part of) objects of the core resource. */
export function concerns({ table }: AdmissionRequest, plural: string): boolean {
  return table.plural === plural && table.group === "";
}

/** A new pod, not a subresource of one. */
export function createsPod(request: AdmissionRequest): boolean {
  return request.operation === "CREATE" && concerns(request, "pods") && !request.subresource;
}
