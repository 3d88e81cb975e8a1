import { decodeBody, type FieldValidation } from "../../shared/api/decode.ts";
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
