import type { Runtime } from "../runtime/runtime.ts";
import { MemoryStore } from "../store/memory.ts";
import type { Key, Revision, Version } from "../store/store.ts";
import type { DecisionRecord } from "./decision.ts";
import type { History } from "./history.ts";
import { historyInMemory } from "./memory-history.ts";

/**
 * A piece of history as a file: JSON, one line each. First a `RecordingHead`; then, for each log,
 * the versions that were live at its beginning and every version up to its end, in log order; then
 * the decisions.
 */
export const RECORDING_FORMAT = 1;

export interface RecordingHead {
  /** Version of the file's shape; a reader refuses what is newer than itself. */
  readonly coxlog: typeof RECORDING_FORMAT;
  /** For each log: the state at `from`, and every version above it up to `to`. */
  readonly logs: Readonly<Record<RecordedLog, { readonly from: Revision; readonly to: Revision }>>;
  /** When the first and the last revision were written, milliseconds since the Unix epoch. */
  readonly begins: number;
  readonly ends: number;
  /** Paths whose values were replaced, beside the data of Secrets. */
  readonly scrubbed: readonly string[];
}

export type RecordedLog = "cluster" | "events";

/** A line behind the head. */
export type RecordedLine =
  | {
      readonly log: RecordedLog;
      readonly revision: Revision;
      readonly key: Key;
      readonly time: number;
      readonly headers: Version["headers"];
      readonly more?: true;
      /** The object; null: deleted. */
      readonly value: unknown;
    }
  | { readonly decision: DecisionRecord };

export class RecordingError extends Error {}

/** Reads a recording line by line into memory; `finish` hands out the history that it holds. */
export class RecordingReader {
  readonly #runtime: Runtime;
  #head: RecordingHead | undefined;
  #line = 0;
  readonly #snapshots: Record<RecordedLog, Version[]> = { cluster: [], events: [] };
  readonly #tails: Record<RecordedLog, Version[]> = { cluster: [], events: [] };
  readonly #decisions: DecisionRecord[] = [];

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** @throws RecordingError */
  line(text: string): void {
    this.#line += 1;
    if (text.trim() === "") return;
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch (error) {
      throw new RecordingError(`line ${this.#line} is not JSON: ${(error as Error).message}`);
    }
    if (this.#head === undefined) this.#head = headOf(parsed);
    else this.#take(parsed as RecordedLine, this.#head);
  }

  /** @throws RecordingError */
  finish(): { readonly head: RecordingHead; readonly history: History } {
    const head = this.#head;
    if (head === undefined) throw new RecordingError("the file is empty");
    const cluster = this.#storeOf("cluster", head);
    const events = this.#storeOf("events", head);
    const history = historyInMemory({
      logs: { cluster, events, leases: new MemoryStore(this.#runtime) },
      versions: [...this.#snapshots.cluster, ...this.#tails.cluster],
      decisions: this.#decisions,
    });
    return { head, history };
  }

  #take(line: RecordedLine, head: RecordingHead): void {
    if ("decision" in line) {
      this.#decisions.push(line.decision);
      return;
    }
    const { log, revision, key, time, headers, more, value } = line;
    if (head.logs[log] === undefined || typeof key !== "string") {
      throw new RecordingError(`line ${this.#line} is neither a version nor a decision`);
    }
    const version = {
      revision,
      key,
      time,
      headers,
      more: more === true,
      value: value === null ? null : Buffer.from(JSON.stringify(value)),
    };
    const part = revision <= head.logs[log].from ? this.#snapshots : this.#tails;
    part[log].push(version);
  }

  #storeOf(log: RecordedLog, { logs }: RecordingHead): MemoryStore {
    const { from: revision, to } = logs[log];
    const tail = this.#tails[log];
    const last = tail.at(-1)?.revision ?? revision;
    if (last !== to) {
      throw new RecordingError(
        `the file is cut: the ${log} log ends at revision ${last}, its head announces ${to}`,
      );
    }
    const store = new MemoryStore(this.#runtime, { revision, versions: this.#snapshots[log] });
    for (const commit of commitsOf(tail)) store.take(commit);
    return store;
  }
}

/** Versions in log order as the commits that they were written by. */
export function* commitsOf(versions: readonly Version[]): Iterable<readonly Version[]> {
  let commit: Version[] = [];
  for (const version of versions) {
    commit.push(version);
    if (version.more) continue;
    yield commit;
    commit = [];
  }
  const last = commit.pop();
  if (last !== undefined) yield [...commit, { ...last, more: false }];
}

function headOf(parsed: unknown): RecordingHead {
  const head = parsed as Partial<RecordingHead> | null;
  if (typeof head?.coxlog !== "number" || head.logs === undefined) {
    throw new RecordingError("the first line is not the head of a file made by `cox export`");
  }
  if (head.coxlog > RECORDING_FORMAT) {
    throw new RecordingError(`its format ${head.coxlog} is newer than this program`);
  }
  return head as RecordingHead;
}
