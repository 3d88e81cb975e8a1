import type { ApiPath, Operation, Parameter } from "./operations.ts";
import type { OpenApiSchema } from "./schemas.ts";
import { DESCRIPTIONS } from "./v2.ts";

const PREFIX = "#/components/schemas/";

/** The kinds of one group and version as an OpenAPI v3 document. */
export function documentV3(
  version: string,
  paths: readonly ApiPath[],
  schemas: Readonly<Record<string, OpenApiSchema>>,
): object {
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version },
    paths: Object.fromEntries(paths.map((path) => [path.path, pathItem(path)])),
    components: {
      schemas,
      securitySchemes: {
        BearerToken: { type: "apiKey", in: "header", name: "authorization" },
      },
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
      schema: { type: "string", uniqueItems: true },
    })),
    query({ name: "pretty", type: "string" }),
  ];
  return item;
}

function query({ name, type }: Parameter): OpenApiSchema {
  return { name, in: "query", schema: { type, uniqueItems: true } };
}

function operationOf(operation: Operation): OpenApiSchema {
  const answer = operation.answer ? { $ref: `${PREFIX}${operation.answer}` } : { type: "string" };
  const responses: Record<string, OpenApiSchema> = {};
  for (const code of operation.codes) {
    responses[code] = {
      description: DESCRIPTIONS[code],
      content: contentOf(operation.produces, answer),
    };
  }
  responses["401"] = { description: "Unauthorized" };
  return {
    tags: [operation.tag],
    operationId: operation.id,
    parameters: operation.parameters.map(query),
    ...(operation.body ? { requestBody: requestBody(operation, operation.body) } : {}),
    responses,
    "x-kubernetes-action": operation.action,
    "x-kubernetes-group-version-kind": operation.kind,
  };
}

function requestBody(operation: Operation, body: string): OpenApiSchema {
  return {
    content: contentOf(operation.consumes, { $ref: `${PREFIX}${body}` }),
    ...(operation.bodyRequired ? { required: true } : {}),
  };
}

function contentOf(types: readonly string[], schema: OpenApiSchema): OpenApiSchema {
  return Object.fromEntries(types.map((type) => [type, { schema }]));
}
