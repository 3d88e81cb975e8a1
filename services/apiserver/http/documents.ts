import type { DocumentSource, ServedDocument } from "./handler.ts";

const JSON_TYPE = "application/json";
const OPENAPI_V2 = "/openapi/v2";
const OPENAPI_V3 = "/openapi/v3";
/** Any of the names under which clients ask for the protobuf form of OpenAPI v2. */
const PROTOBUF_V2 = /application\/com\.github\.proto-openapi\.spec\.v2(@v1\.0|\.v1)\+protobuf/;

/**
 * Discovery and OpenAPI of the built-in kinds. What makes these documents is loaded when the first
 * one is asked for.
 */
export const builtInDocuments: DocumentSource = async (path, accept) => {
  if (path === "/api" || path === "/apis" || /^\/apis?\//.test(path)) {
    const { discoveryDocument } = await import("../discovery/index.ts");
    return discoveryDocument(path, accept);
  }
  if (path !== OPENAPI_V2 && path !== OPENAPI_V3 && !path.startsWith(`${OPENAPI_V3}/`)) {
    return undefined;
  }
  const openapi = await import("../openapi/index.ts");
  const json = (document: Omit<ServedDocument, "contentType"> | undefined) =>
    document === undefined ? undefined : { ...document, contentType: JSON_TYPE };
  if (path === OPENAPI_V3) return json(openapi.openapiV3Index());
  if (path !== OPENAPI_V2) return json(openapi.openapiV3(path));
  if (!PROTOBUF_V2.test(accept)) return json(openapi.openapiV2());
  const type = openapi.OPENAPI_V2_PROTOBUF;
  return { ...openapi.openapiV2Protobuf(), contentType: type };
};
