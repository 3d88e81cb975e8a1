import { conflict, failure, requestTooLarge, StatusError } from "../../shared/api/errors.ts";
import { parseKey } from "../../shared/api/key.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import {
  ConflictError,
  type Key,
  type Revision,
  StoreError,
  TooLargeError,
  UnavailableError,
  UnknownOutcomeError,
  VALUE_BYTES_MAX,
  type Write,
  type WriteHeaders,
} from "../../shared/store/store.ts";
import type { EngineContext, Log } from "./context.ts";
import { Draft } from "./draft.ts";
import type { KeyLocks } from "./locks.ts";

/** Times that a decision is made again after another writer was faster. */
const CONFLICT_RETRIES_MAX = 20;
/** How long a key stays reserved for its last write to show up in the projection. */
const SETTLE_TIMEOUT_MS = 2000;

export interface WriteJob<T> {
  /** The log whose end counts as "now" for the decision. */
  readonly log: Log;
  /** Keys that the decision is known to write: one job per key at a time in this replica. */
  readonly keys: readonly Key[];
  readonly headers: WriteHeaders;
  readonly dryRun?: boolean;
  /**
   * Decides on one moment and stages the writes. May be called again on a newer moment, with a
   * fresh draft. Throws StatusError to refuse. A promise: of parts that each see their own moment.
   */
  decide(draft: Draft): T | Promise<T>;
  /** True when a refused commit turns out to be this job's own, sent earlier by another replica. */
  alreadyDone?(): T | undefined;
}

/** A decision and what was written for it: nothing for a dry run, or when nothing had to be. */
export class Written<T> {
  readonly result: T;
  readonly #writes: readonly Write[];
  readonly #revisions: readonly Revision[];
  #byKey: Map<Key, number> | undefined;

  constructor(result: T, writes: readonly Write[], revisions: readonly Revision[]) {
    this.result = result;
    this.#writes = writes;
    this.#revisions = revisions;
  }

  /** Of the last write; 0 when nothing was written. */
  get last(): Revision {
    return this.#revisions.at(-1) ?? 0;
  }

  revisionOf(key: Key): Revision | undefined {
    return this.#revisions[this.#placeOf(key)];
  }

  /** The stored form of a written key. */
  valueOf(key: Key): Uint8Array | undefined {
    return this.#writes[this.#placeOf(key)]?.value ?? undefined;
  }

  #placeOf(key: Key): number {
    if (this.#writes.length === 1) return this.#writes[0]?.key === key ? 0 : -1;
    this.#byKey ??= new Map(this.#writes.map((write, index) => [write.key, index]));
    return this.#byKey.get(key) ?? -1;
  }
}

/**
 * Decide, commit, and on a conflict decide again on a newer moment. A decision on the projection as
 * it happens to be is safe when it writes, because the log checks what it was based on; a refusal
 * and "nothing to do" are only trusted once the projection has caught up with the log's end.
 */
export async function write<T>(context: EngineContext, job: WriteJob<T>): Promise<Written<T>> {
  const { locks } = context;
  const turn = locks.acquire(job.keys);
  if (turn) await turn;
  try {
    const written = await attempts(context, job);
    settle(locks, job, written.last);
    return written;
  } catch (error) {
    locks.release(job.keys);
    throw storeStatus(error);
  }
}

/** Frees the keys once the projection shows the write: the next decision then builds on it. */
function settle(
  locks: KeyLocks,
  { log, keys }: Pick<WriteJob<unknown>, "log" | "keys">,
  last: Revision,
): void {
  if (keys.length === 0) return;
  const release = () => locks.release(keys);
  if (last === 0 || log.projection.revision >= last) release();
  else log.projection.waitFor(last, SETTLE_TIMEOUT_MS).then(release, release);
}

async function attempts<T>(context: EngineContext, job: WriteJob<T>): Promise<Written<T>> {
  let fresh = false;
  for (let conflicts = 0; ; ) {
    const decided = await decideOnce(context, job, fresh);
    if (decided === undefined) {
      await catchUp(context, job.log);
      fresh = true;
      continue;
    }
    const { result, log, writes, objects } = decided;
    if (writes.length === 0 || job.dryRun || !log) return nothingWritten(result);
    lend(log, writes, objects);
    try {
      const revisions = await log.store.commit(writes, job.headers);
      log.freshness.committed(revisions.at(-1) ?? 0);
      return new Written(result, writes, revisions);
    } catch (error) {
      takeBack(log, writes);
      const conflicted = error instanceof ConflictError;
      const lost = error instanceof UnknownOutcomeError && job.alreadyDone !== undefined;
      if (!conflicted && !lost) throw error;
      await catchUp(context, log);
      fresh = true;
      const done = job.alreadyDone?.();
      if (done !== undefined) return nothingWritten(done);
      conflicts += 1;
      if (!conflicted) throw error;
      if (conflicts > CONFLICT_RETRIES_MAX) throw conflictStatus(error);
    }
  }
}

/** The projection need not decode what was encoded here. */
function lend(
  { projection }: Log,
  writes: readonly Write[],
  objects: readonly (KubernetesObject | null)[],
): void {
  for (const [index, { key, value }] of writes.entries()) {
    const object = objects[index];
    if (value && object) projection.lend(key, value, object);
  }
}

function takeBack({ projection }: Log, writes: readonly Write[]): void {
  for (const { key, value } of writes) if (value) projection.takeBack(key, value);
}

/** What a decision reads is in its own log, and namespaces and accounts in the cluster's. */
async function catchUp({ logs }: EngineContext, log: Log): Promise<void> {
  const both = log === logs.cluster ? [log] : [log, logs.cluster];
  await Promise.all(both.map(({ freshness }) => freshness.latest()));
}

/** undefined: the answer is not to be trusted before the projection has caught up. */
async function decideOnce<T>(context: EngineContext, job: WriteJob<T>, fresh: boolean) {
  const draft = new Draft(context, context.runtime.clock.now());
  try {
    const deciding = job.decide(draft);
    const result = deciding instanceof Promise ? await deciding : deciding;
    const staged = draft.writes();
    if (!fresh && (staged.writes.length === 0 || job.dryRun)) return undefined;
    return { result, ...staged };
  } catch (error) {
    if (!fresh && error instanceof StatusError) return undefined;
    throw error;
  }
}

function nothingWritten<T>(result: T): Written<T> {
  return new Written(result, [], []);
}

function conflictStatus(error: ConflictError): StatusError {
  const { resource, name } = parseKey(error.key);
  const dot = resource.indexOf(".");
  const plural = dot < 0 ? resource : resource.slice(0, dot);
  return conflict({ plural, group: dot < 0 ? "" : resource.slice(dot + 1) }, name);
}

/** What a client is told when the log fails. Statuses and unknown errors pass. */
export function storeStatus(error: unknown): unknown {
  if (error instanceof UnavailableError) {
    return failure(503, "ServiceUnavailable", "the log is currently unable to take the request", {
      retryAfterSeconds: 1,
    });
  }
  if (error instanceof UnknownOutcomeError) {
    const message = "Timeout: the request was sent, but its outcome is not known";
    return failure(504, "Timeout", message);
  }
  if (error instanceof TooLargeError) return requestTooLarge(VALUE_BYTES_MAX);
  if (error instanceof ConflictError) return conflictStatus(error);
  if (error instanceof StoreError) {
    return failure(500, "InternalError", `Internal error occurred: ${error.message}`);
  }
  return error;
}
