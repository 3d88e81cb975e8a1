import type { Msg, MsgHdrs } from "nats";
import { sharedText } from "../shared/runtime/shared-text.ts";
import type { Revision, Version, Write, WriteHeaders } from "../shared/store/store.ts";
import { Headers, headersOf } from "./headers.ts";
import { keyOfSubject } from "./subjects.ts";

/**
 * What a version is as a message of a log. Beside NATS' own headers:
 *
 * - `Cox-Actor`, `-Replica`, `-Trace`, `-Cause`: who wrote it and why;
 * - `Cox-Commit`: which attempt to commit it belongs to, so that the writer can find out what
 *   became of a commit whose acknowledgement was lost;
 * - `Cox-More: 1`: more versions of the same commit follow directly;
 * - `KV-Operation: DEL`: the key was deleted here, as in any NATS KV bucket.
 */
const ACTOR = "Cox-Actor";
const REPLICA = "Cox-Replica";
const TRACE = "Cox-Trace";
const CAUSE = "Cox-Cause";
const COMMIT = "Cox-Commit";
const MORE = "Cox-More";
const OPERATION = "KV-Operation";
const HEADER_LENGTH_MAX = 512;
const EXPECTED = "Nats-Expected-Last-Subject-Sequence";

/** What a message of a log says about the commit that it is part of. */
export interface Stamp {
  readonly sequence: Revision;
  readonly subject: string;
  readonly commit: string;
  readonly deleted: boolean;
  /** The sequence that the message had to replace; undefined when it was unconditional. */
  readonly replaced: Revision | undefined;
}

/** Where a message stands in its stream. */
export interface Position {
  readonly sequence: Revision;
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
}

/** A message's part in an atomic batch. */
export interface BatchPlace {
  readonly id: string;
  /** From 1. */
  readonly sequence: number;
  readonly last: boolean;
}

export function writeHeaders(
  write: Write,
  headers: WriteHeaders,
  commit: string,
  options: { more: boolean; expected: Revision | undefined; batch: BatchPlace | undefined },
): MsgHdrs {
  const fields: [string, string][] = [
    [ACTOR, escapeHeader(headers.actor)],
    [REPLICA, escapeHeader(headers.replica)],
    [TRACE, escapeHeader(headers.trace)],
    [CAUSE, String(headers.cause)],
    [COMMIT, commit],
  ];
  const { more, expected, batch } = options;
  if (more) fields.push([MORE, "1"]);
  if (write.value === null) fields.push([OPERATION, "DEL"]);
  if (expected !== undefined) fields.push([EXPECTED, String(expected)]);
  if (batch) {
    fields.push(["Nats-Batch-Id", batch.id], ["Nats-Batch-Sequence", String(batch.sequence)]);
    if (batch.last) fields.push(["Nats-Batch-Commit", "1"]);
  }
  return headersOf(fields);
}

/** The version that a message holds; undefined when it is not one of a key. */
export function versionOf(
  subject: string,
  data: Uint8Array,
  headers: Headers,
  position: Position,
): Version | undefined {
  const key = keyOfSubject(subject);
  if (key === undefined) return undefined;
  return {
    revision: position.sequence,
    key,
    value: isDeletion(headers) ? null : Buffer.from(data.buffer, data.byteOffset, data.byteLength),
    headers: {
      actor: sharedText(unescapeHeader(headers.get(ACTOR) ?? "")),
      replica: sharedText(unescapeHeader(headers.get(REPLICA) ?? "")),
      trace: unescapeHeader(headers.get(TRACE) ?? ""),
      cause: Number(headers.get(CAUSE) ?? 0),
    },
    time: position.time,
    more: hasMore(headers),
  };
}

export function hasMore(headers: Headers): boolean {
  return headers.get(MORE) === "1";
}

export function isDeletion(headers: Headers): boolean {
  const operation = headers.get(OPERATION);
  return operation === "DEL" || operation === "PURGE";
}

/** Where a message that a direct get answered stands. */
export function directPosition(headers: Headers): Position & { subject: string } {
  return {
    sequence: Number(headers.get("Nats-Sequence")),
    subject: headers.get("Nats-Subject") ?? "",
    time: Date.parse(headers.get("Nats-Time-Stamp") ?? ""),
  };
}

/** The version that a direct get answered. */
export function directVersion(message: Msg): Version | undefined {
  const headers = new Headers(message);
  const position = directPosition(headers);
  return versionOf(position.subject, message.data, headers, position);
}

/** The stamp of the message that a direct get answered. */
export function directStamp(message: Msg): Stamp {
  const headers = new Headers(message);
  const { sequence, subject } = directPosition(headers);
  return stampOf(headers, sequence, subject);
}

export function stampOf(headers: Headers, sequence: Revision, subject: string): Stamp {
  const expected = headers.get(EXPECTED);
  return {
    sequence,
    subject,
    commit: headers.get(COMMIT) ?? "",
    deleted: isDeletion(headers),
    replaced: expected === undefined ? undefined : Number(expected),
  };
}

/**
 * Header values are printable ASCII without blanks; user names may be anything, of any length. What
 * is longer than anyone reads is cut, so that headers never make a message too large.
 */
function escapeHeader(text: string): string {
  return text.slice(0, HEADER_LENGTH_MAX).replace(/[^\x21-\x7e]|%/gu, (character) => {
    const hex = Buffer.from(character).toString("hex");
    return hex.replace(/../g, "%$&");
  });
}

function unescapeHeader(text: string): string {
  return text.includes("%") ? decodeURIComponent(text) : text;
}
