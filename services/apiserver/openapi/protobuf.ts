import type { OpenApiSchema } from "./schemas.ts";
import type { OpenApiV2 } from "./v2.ts";
import { ProtobufWriter } from "./wire.ts";

/**
 * An OpenAPI v2 document as the protobuf message `openapi.v2.Document` (gnostic's OpenAPIv2.proto),
 * which kubectl asks for. Field numbers are that file's.
 */
export function encodeV2(document: OpenApiV2): Buffer {
  const paths = new ProtobufWriter();
  for (const [path, item] of Object.entries(document.paths)) {
    paths.message(2, named(path, pathItem(item)));
  }
  const definitions = new ProtobufWriter();
  for (const [name, definition] of Object.entries(document.definitions)) {
    definitions.message(1, named(name, schema(definition)));
  }
  const { title, version } = document.info;
  const writer = new ProtobufWriter()
    .text(1, document.swagger)
    .message(2, new ProtobufWriter().text(1, title).text(2, version))
    .message(8, paths)
    .message(9, definitions);
  for (const requirement of document.security) writer.message(12, securityRequirement(requirement));
  return writer.message(13, securityDefinitions(document)).end();
}

function named(name: string, value: ProtobufWriter): ProtobufWriter {
  return new ProtobufWriter().text(1, name).message(2, value);
}

/** Any value, written as YAML; JSON is YAML. */
function any(value: unknown): ProtobufWriter {
  return new ProtobufWriter().text(2, JSON.stringify(value));
}

/** Adds all `x-` keywords. */
function extensions(writer: ProtobufWriter, field: number, source: OpenApiSchema): ProtobufWriter {
  for (const [name, value] of Object.entries(source)) {
    if (name.startsWith("x-")) writer.message(field, named(name, any(value)));
  }
  return writer;
}

function securityRequirement(requirement: Readonly<Record<string, readonly string[]>>) {
  const writer = new ProtobufWriter();
  for (const [name, scopes] of Object.entries(requirement)) {
    writer.message(1, named(name, new ProtobufWriter().texts(1, scopes)));
  }
  return writer;
}

function securityDefinitions(document: OpenApiV2): ProtobufWriter {
  const writer = new ProtobufWriter();
  for (const [name, definition] of Object.entries(document.securityDefinitions)) {
    const key = new ProtobufWriter()
      .text(1, definition["type"])
      .text(2, definition["name"])
      .text(3, definition["in"]);
    writer.message(1, named(name, new ProtobufWriter().message(2, key)));
  }
  return writer;
}

const METHODS: Readonly<Record<string, number>> = { get: 2, put: 3, post: 4, delete: 5, patch: 8 };

function pathItem(item: OpenApiSchema): ProtobufWriter {
  const writer = new ProtobufWriter();
  for (const [method, field] of Object.entries(METHODS)) {
    const found = item[method];
    if (found) writer.message(field, operation(found as OpenApiSchema));
  }
  return parameters(writer, 9, item["parameters"]);
}

function operation(source: OpenApiSchema): ProtobufWriter {
  const writer = new ProtobufWriter()
    .texts(1, source["tags"])
    .text(5, source["operationId"])
    .texts(6, source["produces"])
    .texts(7, source["consumes"]);
  parameters(writer, 8, source["parameters"]);
  const responses = new ProtobufWriter();
  for (const [code, found] of Object.entries(source["responses"] as OpenApiSchema)) {
    const value = new ProtobufWriter().message(1, response(found as OpenApiSchema));
    responses.message(1, named(code, value));
  }
  return extensions(writer.message(9, responses).texts(10, source["schemes"]), 13, source);
}

function response(source: OpenApiSchema): ProtobufWriter {
  const body = source["schema"] as OpenApiSchema | undefined;
  return new ProtobufWriter()
    .text(1, source["description"])
    .message(2, body && new ProtobufWriter().message(1, schema(body)));
}

function parameters(writer: ProtobufWriter, field: number, list: unknown): ProtobufWriter {
  for (const parameter of (list ?? []) as OpenApiSchema[]) {
    writer.message(field, new ProtobufWriter().message(1, parameterOf(parameter)));
  }
  return writer;
}

/** Numbers of the fields that query and path parameters have in different places. */
const QUERY = { oneOf: 3, type: 6, uniqueItems: 20 };
const PATH = { oneOf: 4, type: 5, uniqueItems: 19 };

function parameterOf(source: OpenApiSchema): ProtobufWriter {
  if (source["in"] === "body") {
    const body = new ProtobufWriter()
      .text(2, source["name"])
      .text(3, "body")
      .flag(4, source["required"])
      .message(5, schema(source["schema"] as OpenApiSchema));
    return new ProtobufWriter().message(1, body);
  }
  const numbers = source["in"] === "path" ? PATH : QUERY;
  const parameter = new ProtobufWriter()
    .flag(1, source["required"])
    .text(2, source["in"])
    .text(4, source["name"])
    .text(numbers.type, source["type"])
    .flag(numbers.uniqueItems, source["uniqueItems"]);
  const other = new ProtobufWriter().message(numbers.oneOf, parameter);
  return new ProtobufWriter().message(2, other);
}

function schema(source: OpenApiSchema): ProtobufWriter {
  const writer = new ProtobufWriter()
    .text(1, source["$ref"])
    .text(2, source["format"])
    .text(4, source["description"]);
  if (source["default"] !== undefined) writer.message(5, any(source["default"]));
  writer.texts(19, source["required"]);
  for (const value of (source["enum"] ?? []) as unknown[]) writer.message(20, any(value));
  const additional = source["additionalProperties"] as OpenApiSchema | undefined;
  if (additional) writer.message(21, new ProtobufWriter().message(1, schema(additional)));
  const type = source["type"];
  if (type) writer.message(22, new ProtobufWriter().texts(1, [type]));
  const items = source["items"] as OpenApiSchema | undefined;
  if (items) writer.message(23, new ProtobufWriter().message(1, schema(items)));
  const fields = source["properties"] as Readonly<Record<string, OpenApiSchema>> | undefined;
  if (fields) {
    const properties = new ProtobufWriter();
    for (const [name, field] of Object.entries(fields)) {
      properties.message(1, named(name, schema(field)));
    }
    writer.message(25, properties);
  }
  return extensions(writer, 31, source);
}
