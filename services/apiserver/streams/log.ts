import type { OutgoingHttpHeaders } from "node:http";
import { badRequest, invalid } from "../../../shared/api/errors.ts";
import type { FieldError } from "../../../shared/api/field-error.ts";
import { STDOUT } from "../../../shared/streams/channels.ts";
import type { LogOpen } from "../../../shared/streams/message.ts";
import type { NodeStream } from "../../../shared/streams/stream.ts";
import { demandConnect } from "../http/access.ts";
import { isGone, type Response } from "../http/exchange.ts";
import type { Asked, HandlerOptions } from "../http/handler.ts";
import type { ResourceRoute } from "../http/path.ts";
import { headersOf, respond, textAnswer } from "../http/respond.ts";
import { roomIn } from "../http/write-body.ts";
import { containerOf, openPodStream, podOf, targetOf } from "./target.ts";

type LogOptions = Omit<LogOpen, "operation" | "namespace" | "pod" | "uid" | "container">;

/** Serves `pods/log`: the log as plain text, as long as the node sends it. */
export async function serveLog(
  options: HandlerOptions,
  asked: Asked,
  route: ResourceRoute,
  response: Response,
): Promise<void> {
  demandConnect(options.authorizer, asked.user, "get", route);
  const logOptions = parseLogOptions(asked.query, route.name, options.runtime.clock.now());
  const pod = await podOf(options, asked, route);
  const container = containerOf(pod, asked.query.get("container"));
  // What was never assigned to a node has not logged anything
  const { request, trace } = asked;
  if (!pod.spec?.nodeName) return respond(request, response, textAnswer(""), trace);
  const stream = await openPodStream(options, pod, {
    operation: "log",
    ...targetOf(pod),
    container,
    ...logOptions,
  });
  response.on("close", () => stream.abort("the client is gone"));
  if (isGone(response)) stream.abort("the client is gone");
  else await copy(stream, response, headersOf(trace, "text/plain"), request.method === "HEAD");
}

async function copy(
  stream: NodeStream,
  response: Response,
  headers: OutgoingHttpHeaders,
  headOnly: boolean,
): Promise<void> {
  response.writeHead(200, headers);
  response.flushHeaders();
  if (!headOnly) {
    for await (const chunk of stream.read(STDOUT)) {
      if (!response.write(chunk)) await roomIn(response);
    }
  }
  if (headOnly) stream.abort("only the head was asked for");
  else await stream.end();
  const broken = await stream.closed;
  if (broken === undefined || headOnly) response.end();
  else response.destroy();
}

/**
 * The options of a log request. `now` is milliseconds since the Unix epoch.
 * @throws StatusError 400 for what cannot be read, 422 for what makes no sense.
 */
export function parseLogOptions(query: URLSearchParams, pod: string, now: number): LogOptions {
  const errors: FieldError[] = [];
  const number = (field: string, least: number, detail: string) => {
    const value = integerOf(query, field);
    if (value !== undefined && value < least) {
      errors.push({ type: "FieldValueInvalid", field, badValue: value, detail });
    }
    return value;
  };
  const tailLines = number("tailLines", 0, "must be greater than or equal to 0");
  const limitBytes = number("limitBytes", 1, "must be greater than 0");
  const sinceSeconds = number("sinceSeconds", 1, "must be greater than 0");
  const sinceTime = query.get("sinceTime");
  if (sinceTime !== null && sinceSeconds !== undefined) {
    const detail = "at most one of `sinceTime` or `sinceSeconds` may be specified";
    errors.push({ type: "FieldValueForbidden", field: "", detail });
  }
  const stream = query.get("stream") ?? "All";
  if (stream !== "All" && stream !== "Stdout" && stream !== "Stderr") {
    const detail = 'supported values: "All", "Stderr", "Stdout"';
    errors.push({ type: "FieldValueNotSupported", field: "stream", badValue: stream, detail });
  } else if (stream !== "All" && tailLines !== undefined) {
    const detail = "`tailLines` and specific `stream` are mutually exclusive for now";
    errors.push({ type: "FieldValueForbidden", field: "", detail });
  }
  if (errors.length > 0) throw invalid({ group: "", kind: "PodLogOptions" }, pod, errors);
  let sinceMs = sinceTime === null ? undefined : timeOf(sinceTime);
  if (sinceSeconds !== undefined) sinceMs = now - sinceSeconds * 1000;
  return {
    follow: flag(query, "follow"),
    previous: flag(query, "previous"),
    timestamps: flag(query, "timestamps"),
    stream: stream as LogOptions["stream"],
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
  };
}

/** A boolean parameter as Kubernetes reads it: there, and neither `0` nor `false`. */
export function flag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && value !== "0" && value.toLowerCase() !== "false";
}

function integerOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === "") return undefined;
  if (!/^[+-]?\d{1,18}$/.test(text)) {
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  return Number(text);
}

function timeOf(text: string): number {
  const valid = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text);
  const ms = valid ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) {
    throw badRequest(
      `parsing time ${JSON.stringify(text)}: cannot parse as "2006-01-02T15:04:05Z07:00"`,
    );
  }
  return ms;
}
