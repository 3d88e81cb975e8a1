import { createHash } from "node:crypto";
import type { Span } from "./trace.ts";
import { ulidBits } from "./trace.ts";

/**
 * A tree of spans as OpenTelemetry's `ExportTraceServiceRequest` in the JSON encoding of OTLP/HTTP:
 * ids as hexadecimal text, nanoseconds as decimal text. The trace id is the request's ULID, which
 * has the same 128 bits.
 */
export function otlpOf(root: Span): object {
  const traceId = (ulidBits(root.trace) ?? 0n).toString(16).padStart(32, "0");
  const byService = new Map<string, { span: Span; parent: Span | undefined }[]>();
  const visit = (span: Span, parent: Span | undefined): void => {
    const service = `${span.actor}\n${span.replica}`;
    byService.set(service, [...(byService.get(service) ?? []), { span, parent }]);
    for (const child of span.children) visit(child, span);
  };
  visit(root, undefined);
  return {
    resourceSpans: [...byService].map(([service, spans]) => {
      const [actor = "", replica = ""] = service.split("\n");
      return {
        resource: {
          attributes: [
            text("service.namespace", "coxswain"),
            text("service.name", actor === "user" ? "client" : actor),
            text("service.instance.id", replica),
          ],
        },
        scopeSpans: [
          {
            scope: { name: "coxswain" },
            spans: spans.map(({ span, parent }) => otlpSpan(traceId, span, parent)),
          },
        ],
      };
    }),
  };
}

const INTERNAL = 1;
const SERVER = 2;
const STATUS_ERROR = 2;

function otlpSpan(traceId: string, span: Span, parent: Span | undefined): object {
  const { actor, key, begun, micros = 0, committed, outcome, message, writes } = span;
  const decidedMs = begun + micros / 1000;
  const end = Math.max(committed ?? decidedMs, decidedMs);
  return {
    traceId,
    spanId: spanIdOf(span),
    ...(parent === undefined ? {} : { parentSpanId: spanIdOf(parent) }),
    name: `${actor === "user" ? "request" : actor} ${key}`,
    kind: actor === "user" ? SERVER : INTERNAL,
    startTimeUnixNano: nanos(begun),
    endTimeUnixNano: nanos(end),
    attributes: [
      text("coxswain.trace", span.trace),
      text("coxswain.key", key),
      ...(span.reason === undefined ? [] : [text("coxswain.reason", span.reason)]),
      ...(span.decidedAt === undefined ? [] : [whole("coxswain.decided_at", span.decidedAt)]),
      ...(span.micros === undefined ? [] : [whole("coxswain.decision_micros", span.micros)]),
    ],
    events: writes.map(({ revision, key: written, verb, change }) => ({
      timeUnixNano: nanos(committed ?? end),
      name: `${verb} ${written}`,
      attributes: [whole("coxswain.revision", revision), text("coxswain.change", change)],
    })),
    status: outcome === "committed" ? {} : { code: STATUS_ERROR, message: message ?? outcome },
  };
}

/** 8 bytes; the same for the same decision about the same key. */
function spanIdOf({ trace, key }: Span): string {
  return createHash("sha256").update(`${trace} ${key}`).digest("hex").slice(0, 16);
}

function nanos(ms: number): string {
  return String(BigInt(Math.round(ms * 1000)) * 1000n);
}

function text(key: string, value: string): object {
  return { key, value: { stringValue: value } };
}

/** 64-bit integers are text in this encoding. */
function whole(key: string, value: number): object {
  return { key, value: { intValue: String(value) } };
}
