import { decodeBody, type FieldValidation } from "../../shared/api/decode.ts";
import { applyDefaults } from "../../shared/api/defaults.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { ResourceRequest } from "./request.ts";

/**
 * The object in the body of a request.
 * @throws StatusError BadRequest, UnsupportedMediaType
 */
export function decodeRequest(
  request: Pick<ResourceRequest, "body" | "contentType" | "table">,
  fieldValidation: FieldValidation,
): { object: KubernetesObject; warnings: string[] } {
  const { body, contentType, table } = request;
  return decodeBody(body, contentType, table, fieldValidation);
}

/**
 * The object in the body, complete with its defaults, anew for each call: a decision changes what
 * it is given, and may have to be made again.
 */
export function bodyReader(
  request: Pick<ResourceRequest, "body" | "contentType" | "table">,
  fieldValidation: FieldValidation,
): { first: KubernetesObject; warnings: string[]; next(): KubernetesObject } {
  const read = () => {
    const decoded = decodeRequest(request, fieldValidation);
    applyDefaults(request.table, decoded.object);
    return decoded;
  };
  const { object: first, warnings } = read();
  let unused: KubernetesObject | undefined = first;
  const next = (): KubernetesObject => {
    const object = unused ?? read().object;
    unused = undefined;
    return object;
  };
  return { first, warnings, next };
}
