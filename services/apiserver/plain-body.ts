import { parse as parseYaml } from "yaml";
import { badRequest, unsupportedMediaType } from "../../shared/api/errors.ts";
import { mediaType } from "./options.ts";
import type { ResourceRequest } from "./request.ts";

const JSON_TYPE = "application/json";
const YAML_TYPES = ["application/yaml", "application/x-yaml", "text/yaml"];

/**
 * The body as a plain JSON object, for what is no stored kind: options, bindings, scales, reviews.
 * undefined: there is none.
 * @throws StatusError BadRequest, UnsupportedMediaType
 */
export function plainBody(
  request: Pick<ResourceRequest, "body" | "contentType">,
): Record<string, unknown> | undefined {
  if (request.body.length === 0) return undefined;
  const type = mediaType(request.contentType) || JSON_TYPE;
  const text = request.body.toString();
  const value = YAML_TYPES.includes(type) ? fromYaml(text) : fromJson(text, type);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw badRequest("the object provided is unrecognized (must be a JSON object)");
  }
  return value as Record<string, unknown>;
}

function fromJson(text: string, type: string): unknown {
  if (type !== JSON_TYPE) throw unsupportedMediaType([JSON_TYPE, "application/yaml"]);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`couldn't get version/kind; json parse error: ${(error as Error).message}`);
  }
}

function fromYaml(text: string): unknown {
  try {
    return parseYaml(text, { maxAliasCount: 100 });
  } catch (error) {
    throw badRequest(`error converting YAML to JSON: yaml: ${(error as Error).message}`);
  }
}
