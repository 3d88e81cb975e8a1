import { decodeBody, type FieldValidation } from "../../shared/api/decode.ts";
import { badRequest } from "../../shared/api/errors.ts";
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
  if (request.body.length === 0) throw badRequest("no body was sent, but an object is expected");
  const { body, contentType, table } = request;
  return decodeBody(body, contentType, table, fieldValidation);
}
