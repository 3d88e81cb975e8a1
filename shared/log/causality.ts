import type { Revision, Version } from "../store/store.ts";
import type { DecisionRecord } from "./decision.ts";
import type { History } from "./history.ts";

/**
 * From a version back to what began it: each write names the version that its decision was woken
 * by, so that the log is a graph of causes.
 */
export interface Cause {
  readonly version: Version;
  /** The version that woke it. With `folded` it is not the next cause of the chain. */
  readonly wokenBy: Version | undefined;
  /** What was decided, when it is recorded. */
  readonly decision: DecisionRecord | undefined;
  /** Versions that the same actor wrote on the way for the same key, left out here. */
  readonly folded: number;
}

export interface Chain {
  /** Newest first. */
  readonly causes: readonly Cause[];
  readonly end: ChainEnd;
}

/**
 * Why a chain goes no further: a person or program asked; the cluster's own standing work; a clock;
 * what came before is older than the history; or it is longer than anybody reads.
 */
export type ChainEnd = "user" | "cluster" | "clock" | "history" | "length";

/** Writers that act on nobody's behalf and on no change. */
const CLUSTER_ACTORS: ReadonlySet<string> = new Set(["apiserver", "heartbeat", ""]);
/** Writers whose cause is the pod that they decided about, whatever woke them. */
const SCHEDULER = "scheduler";
const PATH_MAX = 5_000;
/** How long before the log took a write it may have been decided; commits wait for the log. */
const BEFORE_MS = 10_000;
/** How far the clock of a deciding replica may be ahead of the log's. */
const AHEAD_MS = 1_000;

/** The chain that ends with this version. */
export async function chainOf(history: History, last: Version): Promise<Chain> {
  const path: Version[] = [last];
  let end: ChainEnd = "length";
  while (path.length < PATH_MAX) {
    const next = await parentOf(history, path.at(-1) as Version);
    if (typeof next === "string") {
      end = next;
      break;
    }
    path.push(next);
  }
  const decisions = await decisionsOf(history, path);
  return { causes: fold(path, decisions), end };
}

/** The version that a version was written because of; or why there is none. */
async function parentOf(history: History, version: Version): Promise<Version | ChainEnd> {
  const { actor, cause } = version.headers;
  if (actor === "user") return "user";
  if (CLUSTER_ACTORS.has(actor)) return "cluster";
  if (actor !== SCHEDULER && cause > 0)
    return (await earlier(history, version, cause)) ?? "history";
  const decision = cause > 0 ? undefined : await decisionOf(history, version);
  const about = decision?.plan.because ?? decision?.key ?? version.key;
  const before = Math.min(decision?.decidedAt ?? version.revision - 1, version.revision - 1);
  const basis = await readBefore(history, about, before);
  if (basis !== undefined) return basis;
  return cause === 0 ? "clock" : "history";
}

async function earlier(history: History, version: Version, cause: Revision) {
  // A cause is older than what it caused; anything else would lead in circles.
  return cause < version.revision ? history.version(cause) : undefined;
}

async function readBefore(history: History, key: string, at: Revision) {
  const versions = await history.versionsOf(key);
  return versions.findLast(({ revision }) => revision <= at);
}

async function decisionOf(
  history: History,
  { headers, time }: Version,
): Promise<DecisionRecord | undefined> {
  const { actor, replica, trace } = headers;
  const range = { actor, replica, from: time - BEFORE_MS, to: time + AHEAD_MS };
  const records = await history.decisions(range);
  return records.find((record) => record.trace === trace);
}

/** The records of the decisions that wrote these versions; several may share a trace. */
async function decisionsOf(
  history: History,
  path: readonly Version[],
): Promise<(version: Version) => DecisionRecord | undefined> {
  const found = new Map<string, DecisionRecord[]>();
  const traces = new Set(path.map(({ headers }) => headers.trace));
  // By replica: a busy cluster decides thousands of times a second.
  for (const { actor, replica, versions } of byWriter(path)) {
    for (const stretch of stretchesOf(versions)) {
      for (const record of await history.decisions({ actor, replica, ...stretch })) {
        if (!traces.has(record.trace)) continue;
        found.set(record.trace, [...(found.get(record.trace) ?? []), record]);
      }
    }
  }
  return ({ key, headers }) => {
    const records = found.get(headers.trace) ?? [];
    return records.find((record) => record.key === key) ?? records[0];
  };
}

function byWriter(path: readonly Version[]) {
  const writers = new Map<string, { actor: string; replica: string; versions: Version[] }>();
  for (const version of path) {
    const { actor, replica } = version.headers;
    if (actor === "user" || CLUSTER_ACTORS.has(actor)) continue;
    const id = `${actor}\n${replica}`;
    const writer = writers.get(id) ?? { actor, replica, versions: [] };
    writer.versions.push(version);
    writers.set(id, writer);
  }
  return writers.values();
}

/** Stretches of time that hold the decisions of the versions, as few as possible. */
function stretchesOf(path: readonly Version[]): { from: number; to: number }[] {
  const stretches: { from: number; to: number }[] = [];
  for (const { time } of path.toReversed()) {
    const last = stretches.at(-1);
    const [from, to] = [time - BEFORE_MS, time + AHEAD_MS];
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to);
    else stretches.push({ from, to });
  }
  return stretches;
}

/**
 * A rollout wakes its Deployment again with each pod that becomes ready: from the last of what an
 * actor did about a key the chain goes on with what made it begin.
 */
function fold(
  path: readonly Version[],
  decisionOfVersion: (version: Version) => DecisionRecord | undefined,
): Cause[] {
  const subjects = path.map((version) => {
    const decision = decisionOfVersion(version);
    const subject = `${version.headers.actor} ${decision?.key ?? version.key}`;
    return { version, decision, subject };
  });
  const causes: Cause[] = [];
  for (let index = 0; index < subjects.length; index++) {
    const { version, decision, subject } = subjects[index] as (typeof subjects)[number];
    const same = subjects.findLastIndex((other) => other.subject === subject);
    const wokenBy = subjects[index + 1]?.version;
    causes.push({ version, wokenBy, decision, folded: same - index });
    index = Math.max(index, same);
  }
  return causes;
}
