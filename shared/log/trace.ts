import type { Key, Revision, Version } from "../store/store.ts";
import { ChangeReader, fieldsOf, type RecordedChange } from "./changes.ts";
import type { DecisionRecord } from "./decision.ts";
import { summarizeChanges } from "./summary.ts";

/** One request or decision, and what came of it; pure. Times in milliseconds since the epoch. */
export interface Span {
  readonly trace: string;
  readonly actor: string;
  readonly replica: string;
  /** What was decided about; of a request, what it wrote. */
  readonly key: Key;
  /** When the request was received, or the decision made. */
  readonly begun: number;
  /** How long the decision took, microseconds. */
  readonly micros?: number;
  readonly decidedAt?: Revision;
  /** The revision that woke it; absent: a person, a clock. */
  readonly cause?: Revision;
  readonly reason?: string;
  readonly outcome: DecisionRecord["outcome"];
  /** Why it was refused or failed. */
  readonly message?: string;
  /** When the log took it. */
  readonly committed?: number;
  readonly writes: readonly SpanWrite[];
  readonly children: readonly Span[];
}

export interface SpanWrite {
  readonly revision: Revision;
  readonly key: Key;
  readonly verb: RecordedChange["verb"];
  readonly change: string;
}

type OpenSpan = { -readonly [Field in keyof Span]: Span[Field] } & {
  readonly writes: SpanWrite[];
  readonly children: OpenSpan[];
};

export interface TraceInput {
  /** The request's or decision's ULID. */
  readonly trace: string;
  /** Live when the first of `versions` was written. */
  readonly before: readonly Version[];
  /** In log order. */
  readonly versions: readonly Version[];
  readonly decisions: readonly DecisionRecord[];
}

/**
 * What the request caused, directly and through others; undefined when it wrote nothing and no
 * decision of that id is known.
 */
export function traceTree({ trace, before, versions, decisions }: TraceInput): Span | undefined {
  const records = byTrace(decisions);
  const changes = new ChangeReader(before);
  /** Which span wrote a revision. */
  const writers = new Map<Revision, OpenSpan>();
  const spans = new Map<string, OpenSpan>();
  let root: OpenSpan | undefined;
  for (const version of versions) {
    const change = changes.next(version);
    if (change === undefined) continue;
    const own = records.get(version.headers.trace) ?? [];
    const record = own.find(({ key }) => key === version.key) ?? own[0];
    // A batch of bindings is one commit of many decisions, each with a cause of its own.
    const id = `${version.headers.trace} ${own.length > 1 ? record?.key : ""}`;
    let span = spans.get(id);
    if (span === undefined) {
      const isRoot = version.headers.trace === trace;
      const parent = isRoot ? undefined : parentOf(version, record, writers);
      if (!isRoot && parent === undefined) continue;
      span = spanOf(version, record);
      spans.set(id, span);
      if (parent !== undefined) parent.children.push(span);
      else if (root === undefined) root = span;
      else root.children.push(span);
    }
    span.writes.push(writeOf(change));
    writers.set(version.revision, span);
  }
  addUnwritten(decisions, spans, writers);
  for (const span of spans.values()) span.children.sort((a, b) => a.begun - b.begun);
  const [record] = records.get(trace) ?? [];
  return root ?? (record && unwrittenSpan(record));
}

function byTrace(decisions: readonly DecisionRecord[]): Map<string, DecisionRecord[]> {
  const records = new Map<string, DecisionRecord[]>();
  for (const record of decisions) {
    const others = records.get(record.trace);
    if (others === undefined) records.set(record.trace, [record]);
    else others.push(record);
  }
  return records;
}

/**
 * The span whose write woke it; or, when something else woke it, the one that wrote what it decided
 * about.
 */
function parentOf(
  version: Version,
  record: DecisionRecord | undefined,
  writers: ReadonlyMap<Revision, OpenSpan>,
): OpenSpan | undefined {
  const woken = writers.get(causeOf(version, record));
  if (woken !== undefined || record === undefined) return woken;
  return writers.get(basisOf(record) ?? 0);
}

/** What woke it; of a scheduler's pass over many pods, the version of the pod. */
function causeOf({ headers }: Version, record: DecisionRecord | undefined): Revision {
  if (headers.actor !== SCHEDULER || record === undefined) return headers.cause;
  return basisOf(record) ?? headers.cause;
}

function basisOf({ key, plan }: DecisionRecord): Revision | undefined {
  const own = plan.actions.find((action) => action.key === key);
  return own !== undefined && "expect" in own && own.expect ? Number(own.expect) : undefined;
}

function spanOf({ headers, key, time }: Version, record: DecisionRecord | undefined): OpenSpan {
  const { trace, actor, replica } = headers;
  return {
    trace,
    actor,
    replica,
    key: record?.key ?? key,
    begun: record?.now ?? timeOfUlid(trace) ?? time,
    outcome: "committed",
    committed: time,
    ...(record === undefined ? {} : decided(record)),
    writes: [],
    children: [],
  };
}

function decided({ micros, decidedAt, cause, plan }: DecisionRecord) {
  const effects = plan.effects?.map(({ kind }) => kind).join(", ");
  const reason = plan.reason || effects;
  return { micros, decidedAt, ...(cause > 0 ? { cause } : {}), ...(reason ? { reason } : {}) };
}

function writeOf(change: RecordedChange): SpanWrite {
  const { revision, key } = change.version;
  return { revision, key, verb: change.verb, change: summarizeChanges(fieldsOf(change), 2) };
}

/** Decisions that the tree's versions woke, and of which nothing was written. */
function addUnwritten(
  decisions: readonly DecisionRecord[],
  spans: ReadonlyMap<string, OpenSpan>,
  writers: ReadonlyMap<Revision, OpenSpan>,
): void {
  const written = new Set([...spans.values()].map(({ trace }) => trace));
  for (const record of decisions) {
    if (written.has(record.trace)) continue;
    const parent = writers.get(record.cause);
    if (parent === undefined) continue;
    parent.children.push(unwrittenSpan(record));
  }
}

/** A decision that was refused, failed, or acted outside the log. */
function unwrittenSpan(record: DecisionRecord): OpenSpan {
  const { trace, actor, replica, key, now, outcome, message } = record;
  return {
    trace,
    actor,
    replica,
    key,
    begun: now,
    outcome,
    ...(message === undefined ? {} : { message }),
    ...decided(record),
    writes: [],
    children: [],
  };
}

const SCHEDULER = "scheduler";
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** The 128 bits of a ULID; undefined when the text is none. */
export function ulidBits(text: string): bigint | undefined {
  if (!/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(text)) return undefined;
  let bits = 0n;
  for (const character of text) bits = bits * 32n + BigInt(ALPHABET.indexOf(character));
  return bits;
}

/** When a ULID was made, milliseconds since the Unix epoch; undefined when the text is none. */
export function timeOfUlid(text: string): number | undefined {
  const bits = ulidBits(text);
  return bits === undefined ? undefined : Number(bits >> 80n);
}
