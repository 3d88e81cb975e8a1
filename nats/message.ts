import { type Msg, type MsgHdrs, headers as newHeaders } from "nats";
import type { Revision, Version, Write, WriteHeaders } from "../shared/store/store.ts";
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

export function writeHeaders(
  write: Write,
  headers: WriteHeaders,
  commit: string,
  options: { more: boolean; expected: Revision | undefined },
): MsgHdrs {
  const result = newHeaders();
  result.set(ACTOR, escapeHeader(headers.actor));
  result.set(REPLICA, escapeHeader(headers.replica));
  result.set(TRACE, escapeHeader(headers.trace));
  result.set(CAUSE, String(headers.cause));
  result.set(COMMIT, commit);
  if (options.more) result.set(MORE, "1");
  if (write.value === null) result.set(OPERATION, "DEL");
  if (options.expected !== undefined) result.set(EXPECTED, String(options.expected));
  return result;
}

/** The version that a message holds; undefined when it is not one of a key. */
export function versionOf(
  subject: string,
  data: Uint8Array,
  headers: MsgHdrs | undefined,
  position: Position,
): Version | undefined {
  const key = keyOfSubject(subject);
  if (key === undefined) return undefined;
  return {
    revision: position.sequence,
    key,
    value: isDeletion(headers) ? null : Buffer.from(data.buffer, data.byteOffset, data.byteLength),
    headers: {
      actor: unescapeHeader(headers?.get(ACTOR) ?? ""),
      replica: unescapeHeader(headers?.get(REPLICA) ?? ""),
      trace: unescapeHeader(headers?.get(TRACE) ?? ""),
      cause: Number(headers?.get(CAUSE) ?? 0),
    },
    time: position.time,
    more: hasMore(headers),
  };
}

export function hasMore(headers: MsgHdrs | undefined): boolean {
  return headers?.get(MORE) === "1";
}

export function isDeletion(headers: MsgHdrs | undefined): boolean {
  const operation = headers?.get(OPERATION);
  return operation === "DEL" || operation === "PURGE";
}

/** What an answer of a direct get says, and where it stood. */
export function directPosition(message: Msg): Position & { subject: string } {
  const headers = message.headers;
  return {
    sequence: Number(headers?.get("Nats-Sequence")),
    subject: headers?.get("Nats-Subject") ?? "",
    time: Date.parse(headers?.get("Nats-Time-Stamp") ?? ""),
  };
}

/** The stamp of a message by direct get. */
export function directStamp(message: Msg): Stamp {
  const { sequence, subject } = directPosition(message);
  return stampOf(message.headers, sequence, subject);
}

export function stampOf(headers: MsgHdrs | undefined, sequence: Revision, subject: string): Stamp {
  return {
    sequence,
    subject,
    commit: headers?.get(COMMIT) ?? "",
    deleted: isDeletion(headers),
    replaced: headers?.has(EXPECTED) ? Number(headers.get(EXPECTED)) : undefined,
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
