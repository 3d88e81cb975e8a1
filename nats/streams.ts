import { ApiError, type Requests } from "./requests.ts";
import { type LogName, streamOf } from "./subjects.ts";

/** The streams of a cluster, and how each is kept. */

/** JetStream's API level that has atomic batches: nats-server 2.12. */
const API_LEVEL = 2;
const STREAM_NOT_FOUND = 10059;
const SECOND = 1_000_000_000;

export interface StreamState {
  readonly messages: number;
  readonly first_seq: number;
  readonly last_seq: number;
  readonly subjects?: Readonly<Record<string, number>>;
}

export interface StreamInfo {
  readonly config: Readonly<Record<string, unknown>>;
  readonly state: StreamState;
  readonly total?: number;
  readonly limit?: number;
}

/** Events that nothing has touched for this long are gone, even if nobody expires them. */
export const EVENTS_AGE_SECONDS = 3 * 3600;
const DECISIONS_AGE_SECONDS = 24 * 3600;
const DECISIONS_BYTES = 1024 * 1024 * 1024;

/** True when the log keeps the last version of each key only (DESIGN D7). */
export function keepsOnlyLast(log: LogName): boolean {
  return log === "leases";
}

function logConfig(log: LogName, replicas: number): Record<string, unknown> {
  return {
    ...fileStream(streamOf(log), [`$KV.${log}.>`], replicas),
    // With a limit, consumers miss versions; compaction is our own (D2). Leases need no history.
    max_msgs_per_subject: keepsOnlyLast(log) ? 1 : -1,
    max_age: log === "events" ? EVENTS_AGE_SECONDS * SECOND : 0,
    // Commits of several writes, and group commit (D4, D5).
    allow_atomic: true,
    // Reads of single versions without a detour over the API's queue.
    allow_direct: true,
    // Deletions by hand would break the promise that a revision once seen stays what it was.
    deny_delete: true,
    // The default limit of 1,000 is too few for many processes.
    max_consumers: -1,
  };
}

/** One number per log: up to which revision it is compacted. */
function compactionConfig(replicas: number): Record<string, unknown> {
  return {
    ...fileStream("compaction", ["compaction.*"], replicas),
    max_msgs_per_subject: 1,
    allow_direct: true,
  };
}

/** On one server only, and not synced: a record lost in a power cut harms nobody. */
function decisionsConfig(): Record<string, unknown> {
  return {
    ...fileStream("decisions", ["decisions.>"], 1),
    discard: "old",
    max_age: DECISIONS_AGE_SECONDS * SECOND,
    max_bytes: DECISIONS_BYTES,
    // An fsync for each record would slow down every commit.
    persist_mode: "async",
  };
}

function fileStream(name: string, subjects: string[], replicas: number): Record<string, unknown> {
  return {
    name,
    subjects,
    storage: "file",
    retention: "limits",
    discard: "new",
    num_replicas: replicas,
    max_msgs: -1,
    max_bytes: -1,
    max_msg_size: -1,
  };
}

/**
 * Makes sure that a log and what belongs to it exist and are set as they must be.
 * @throws Error when the server is too old, or keeps a stream otherwise than asked.
 */
export async function ensureLog(requests: Requests, log: LogName, replicas: number): Promise<void> {
  await checkServer(requests);
  await ensureStream(requests, compactionConfig(replicas));
  if (log === "cluster") await ensureStream(requests, decisionsConfig());
  await ensureStream(requests, logConfig(log, replicas));
}

/** @throws Error when the server does not know atomic batches; it would ignore them in silence. */
export async function checkServer(requests: Requests): Promise<void> {
  const info = await requests.api<{ api?: { level?: number } }>("INFO", undefined);
  const level = info.api?.level ?? 0;
  if (level < API_LEVEL) {
    throw new Error(
      `nats-server is too old: its JetStream API level is ${level}, ` +
        `at least ${API_LEVEL} is needed (nats-server 2.12 or newer)`,
    );
  }
}

async function ensureStream(requests: Requests, config: Record<string, unknown>): Promise<void> {
  const name = String(config["name"]);
  let echoed = await existing(requests, name);
  if (!echoed) {
    echoed = (await requests.api<StreamInfo>(`STREAM.CREATE.${name}`, config)).config;
  } else if (differences(config, echoed).length > 0) {
    echoed = (await requests.api<StreamInfo>(`STREAM.UPDATE.${name}`, config)).config;
  }
  const wrong = differences(config, echoed);
  if (wrong.length > 0) {
    throw new Error(`stream ${name} is not kept as asked: ${wrong.join(", ")}`);
  }
}

async function existing(
  requests: Requests,
  name: string,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    return (await requests.api<StreamInfo>(`STREAM.INFO.${name}`, undefined)).config;
  } catch (error) {
    if (error instanceof ApiError && error.errorCode === STREAM_NOT_FOUND) return undefined;
    throw error;
  }
}

/** The settings that were not taken over; a server leaves out those that have no effect. */
function differences(
  asked: Readonly<Record<string, unknown>>,
  echoed: Readonly<Record<string, unknown>>,
): string[] {
  const wrong: string[] = [];
  for (const [name, value] of Object.entries(asked)) {
    const actual = echoed[name] ?? (typeof value === "number" ? 0 : undefined);
    if (JSON.stringify(actual) === JSON.stringify(value)) continue;
    wrong.push(`${name} is ${JSON.stringify(actual)}, asked for ${JSON.stringify(value)}`);
  }
  return wrong;
}

const AWAIT_MS = 60_000;

/**
 * For users that may only read: waits until the log's writer has made it.
 * @throws Error when it does not come.
 */
export async function awaitLog(requests: Requests, log: LogName): Promise<void> {
  const deadline = performance.now() + AWAIT_MS;
  for (;;) {
    try {
      await requests.api<StreamInfo>(`STREAM.INFO.${streamOf(log)}`, undefined);
      return;
    } catch (error) {
      if (performance.now() > deadline) {
        throw new Error(`nobody has made the log ${log}`, { cause: error });
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
