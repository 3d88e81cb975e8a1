import type { ApiPath, Operation, Parameter } from "./operations.ts";
import type { OpenApiSchema } from "./schemas.ts";

/** An OpenAPI v2 document (Swagger). */
export interface OpenApiV2 {
  readonly swagger: "2.0";
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, OpenApiSchema>>;
  readonly definitions: Readonly<Record<string, OpenApiSchema>>;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly securityDefinitions: Readonly<Record<string, OpenApiSchema>>;
}

const PREFIX = "#/definitions/";

/** All kinds in one document. */
export function documentV2(
  version: string,
  paths: readonly ApiPath[],
  definitions: Readonly<Record<string, OpenApiSchema>>,
): OpenApiV2 {
  return {
    swagger: "2.0",
    info: { title: "Kubernetes", version },
    paths: Object.fromEntries(paths.map((path) => [path.path, pathItem(path)])),
    definitions,
    security: [{ BearerToken: [] }],
    securityDefinitions: {
      BearerToken: { type: "apiKey", in: "header", name: "authorization" },
    },
  };
}

function pathItem({ pathParameters, operations }: ApiPath): OpenApiSchema {
  const item: Record<string, unknown> = {};
  for (const operation of operations) item[operation.method] = operationOf(operation);
  item["parameters"] = [
    ...pathParameters.map((name) => ({
      name,
      in: "path",
      required: true,
      type: "string",
      uniqueItems: true,
    })),
    query({ name: "pretty", type: "string" }),
  ];
  return item;
}

function query({ name, type }: Parameter): OpenApiSchema {
  return { name, in: "query", type, uniqueItems: true };
}

function operationOf(operation: Operation): OpenApiSchema {
  const body = operation.body && {
    name: "body",
    in: "body",
    ...(operation.bodyRequired ? { required: true } : {}),
    schema: { $ref: `${PREFIX}${operation.body}` },
  };
  const schema = operation.answer ? { $ref: `${PREFIX}${operation.answer}` } : { type: "string" };
  const responses: Record<string, OpenApiSchema> = {};
  for (const code of operation.codes) responses[code] = { description: DESCRIPTIONS[code], schema };
  responses["401"] = { description: "Unauthorized" };
  return {
    consumes: operation.consumes,
    produces: operation.produces,
    schemes: ["https"],
    tags: [operation.tag],
    operationId: operation.id,
    parameters: [...(body ? [body] : []), ...operation.parameters.map(query)],
    responses,
    "x-kubernetes-action": operation.action,
    "x-kubernetes-group-version-kind": operation.kind,
  };
}

export const DESCRIPTIONS: Readonly<Record<string, string>> = {
  "200": "OK",
  "201": "Created",
  "202": "Accepted",
};
