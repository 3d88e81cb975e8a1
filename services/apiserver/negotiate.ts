import { badRequest, notAcceptable } from "../../shared/api/errors.ts";
import type { ResourceRequest } from "./request.ts";

/** In which form an object, a list or a watch is answered. */
export type Form =
  | { readonly type: "object" }
  | { readonly type: "metadata" }
  | { readonly type: "table"; readonly includeObject: "None" | "Metadata" | "Object" };

const OBJECT: Form = { type: "object" };
const METADATA: Form = { type: "metadata" };
const ACCEPTED = ["application/json"];
const JSON_RANGES = new Set(["application/json", "application/*", "*/*"]);

/**
 * The first form that the client accepts and that there is. JSON, always.
 * @throws StatusError NotAcceptable
 */
export function negotiate(request: Pick<ResourceRequest, "accept" | "query">): Form {
  const { accept } = request;
  if (accept === "application/json" || accept.trim() === "") return OBJECT;
  for (const range of knownRanges(accept)) {
    if (!JSON_RANGES.has(range.type)) continue;
    const as = range.parameters.get("as");
    if (as === undefined) return OBJECT;
    if (range.parameters.get("g") !== "meta.k8s.io") continue;
    if (!["v1", "v1beta1"].includes(range.parameters.get("v") ?? "")) continue;
    if (as === "Table") return { type: "table", includeObject: includeObjectOf(request.query) };
    if (as === "PartialObjectMetadata" || as === "PartialObjectMetadataList") return METADATA;
  }
  throw notAcceptable(ACCEPTED);
}

interface MediaRange {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly quality: number;
}

/** Clients of one kind send one header: few are in use at a time. */
const known = new Map<string, readonly MediaRange[]>();
const KNOWN_MAX = 256;

function knownRanges(accept: string): readonly MediaRange[] {
  let ranges = known.get(accept);
  if (ranges === undefined) {
    ranges = rangesOf(accept);
    if (known.size >= KNOWN_MAX) known.clear();
    known.set(accept, ranges);
  }
  return ranges;
}

/** Best first; equally good ones in the order in which they are named. */
function rangesOf(accept: string): MediaRange[] {
  const ranges = accept.split(",").map((text) => {
    const [type = "", ...rest] = text.split(";").map((part) => part.trim());
    const parameters = new Map(
      rest.map((parameter) => {
        const [name = "", value = ""] = parameter.split("=");
        return [name.trim().toLowerCase(), value.trim()];
      }),
    );
    const quality = Number(parameters.get("q") ?? 1);
    return { type: type.toLowerCase(), parameters, quality: Number.isNaN(quality) ? 1 : quality };
  });
  return ranges.filter((range) => range.quality > 0).sort((a, b) => b.quality - a.quality);
}

function includeObjectOf(query: URLSearchParams): "None" | "Metadata" | "Object" {
  const stated = query.get("includeObject") ?? "";
  if (stated === "") return "Metadata";
  if (stated === "None" || stated === "Metadata" || stated === "Object") return stated;
  throw badRequest("includeObject: must be 'Metadata', 'Object', 'None', or empty");
}
