import type { Event, EventsV1Event } from "../generated/types.ts";
import type { KubernetesObject } from "../object.ts";
import type { Findings } from "./findings.ts";
import { byteLength, dnsSubdomain, qualifiedName } from "./names.ts";

const NAME_MAX = 128;
const MESSAGE_MAX = 1024;

/** What both APIs call an event's parts, in the words of the core one. */
interface Parts {
  readonly namespace: string;
  readonly eventTime?: string;
  readonly objectNamespace: string;
  readonly controller: string;
  readonly instance: string;
  readonly action: string;
  readonly reason: string;
  readonly message: string;
}

function partsOf(object: KubernetesObject): Parts {
  const core = object as Event;
  const newer = object as EventsV1Event;
  const { eventTime } = core;
  return {
    namespace: object.metadata.namespace ?? "",
    ...(eventTime ? { eventTime } : {}),
    objectNamespace: (core.involvedObject ?? newer.regarding)?.namespace ?? "",
    controller: core.reportingComponent ?? newer.reportingController ?? "",
    instance: core.reportingInstance ?? "",
    action: core.action ?? "",
    reason: core.reason ?? "",
    message: core.message ?? newer.note ?? "",
  };
}

/** Events of the core API, new and updated ones alike. */
export function validateCoreEvent(found: Findings, object: KubernetesObject): void {
  const parts = partsOf(object);
  const { namespace, objectNamespace } = parts;
  const inDefault = namespace === "" || namespace === "default";
  const matches = parts.eventTime
    ? objectNamespace !== "" || namespace === "default" || namespace === "kube-system"
    : objectNamespace === ""
      ? inDefault
      : namespace === objectNamespace;
  if (!matches) {
    const words = "does not match event.namespace";
    found.invalid("involvedObject.namespace", objectNamespace, words);
  }
  if (parts.eventTime) validateReport(found, parts);
  found.invalidAll("namespace", namespace, dnsSubdomain(namespace));
}

/** Events with an eventTime say who reports what. */
function validateReport(found: Findings, parts: Parts): void {
  const limited = (field: string, text: string, max: number): void => {
    if (byteLength(text) > max) found.invalid(field, "", `can have at most ${max} characters`);
  };
  if (!parts.controller) found.required("reportingController");
  const wrong = qualifiedName(parts.controller);
  found.invalidAll("reportingController", parts.controller, wrong);
  for (const [field, text] of [
    ["reportingInstance", parts.instance],
    ["action", parts.action],
    ["reason", parts.reason],
  ] as const) {
    if (!text) found.required(field);
    limited(field, text, NAME_MAX);
  }
  limited("message", parts.message, MESSAGE_MAX);
}

/** New events of events.k8s.io/v1. */
export function validateEvent(found: Findings, object: KubernetesObject): void {
  const event = object as EventsV1Event;
  validateCoreEvent(found, object);
  validateSeries(found, event);
  if (!event.eventTime) found.required("eventTime");
  if (event.type !== "Normal" && event.type !== "Warning") {
    found.invalid("type", "", `has invalid value: ${event.type ?? ""}`);
  }
  for (const [field, value] of [
    ["firstTimestamp", event.deprecatedFirstTimestamp],
    ["lastTimestamp", event.deprecatedLastTimestamp],
    ["count", event.deprecatedCount],
    ["source", event.deprecatedSource?.component || event.deprecatedSource?.host],
  ] as const) {
    if (value) found.invalid(field, "", "needs to be unset");
  }
}

function validateSeries(found: Findings, { series }: EventsV1Event): void {
  if (!series) return;
  if ((series.count ?? 0) < 2) found.invalid("series.count", "", "should be at least 2");
  if (!series.lastObservedTime) found.required("series.lastObservedTime");
}

/** Field of the API, and what messages call it. */
const FIXED: readonly (readonly [keyof EventsV1Event & string, string])[] = [
  ["regarding", "involvedObject"],
  ["reason", "reason"],
  ["note", "message"],
  ["deprecatedSource", "source"],
  ["deprecatedFirstTimestamp", "firstTimestamp"],
  ["deprecatedLastTimestamp", "lastTimestamp"],
  ["deprecatedCount", "count"],
  ["type", "type"],
  ["eventTime", "eventTime"],
  ["action", "action"],
  ["related", "related"],
  ["reportingController", "reportingController"],
  ["reportingInstance", "reportingInstance"],
];

/** Of an updated event only the series may change. */
export function validateEventUpdate(
  found: Findings,
  object: KubernetesObject,
  old: KubernetesObject,
): void {
  validateCoreEvent(found, object);
  validateSeries(found, object as EventsV1Event);
  for (const [field, name] of FIXED) found.immutable(name, object[field], old[field]);
}
