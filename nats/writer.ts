import { nuid } from "nats";
import {
  ConflictError,
  type Key,
  type Revision,
  type StoreError,
  UnavailableError,
  UnknownOutcomeError,
  type Write,
  type WriteHeaders,
} from "../shared/store/store.ts";
import type { Log } from "./log.ts";
import { lull } from "./lull.ts";
import { isPerson, peopleFirst } from "./people.ts";
import { type Commit, publishTogether } from "./publish.ts";
import { ApiError, NobodyThereError } from "./requests.ts";
import type { Tails } from "./tails.ts";

/** A commit that waits for its turn. */
interface Plan extends Commit {
  readonly bytes: number;
  /** When to stop trying to reach the server, milliseconds of `performance.now`. */
  readonly deadline: number;
  readonly resolve: (revisions: Revision[]) => void;
  readonly reject: (error: Error) => void;
}

type Outcome =
  | { readonly type: "committed"; readonly first: Revision }
  /** An expectation does not hold: nothing was written. */
  | { readonly type: "refused" }
  | { readonly type: "failed"; readonly error: StoreError };

/** How long a commit waits for a server that is away: it restarts in well under a second. */
const AWAY_MS = 10_000;
const RETRY_MS = 20;
/**
 * Up to so many lone writes go as plain publishes, one behind the other: the server stages a batch
 * in files of its own before it takes it. A batch costs the server 1.1 ms of CPU and 17 us a write,
 * plain publishes 60 to 80 us each; which is quicker changes at about the same number.
 */
const SINGLES_MAX = 24;
/**
 * Writes of several commits in one batch: what comes after it waits for it, and more would not be
 * quicker (26,100 writes/s in batches of 256, 26,800 in batches of 1,000).
 */
const WRITES_PER_BATCH = 200;
/** Single writes of clients that go beside the others' batches. */
const EXPRESS_MAX = 8;
/** A round of so many writes is worth not to be waited for; with fewer all go best together. */
const LONG_ROUND = WRITES_PER_BATCH / 2;
/** How long a busy process gathers commits for one round at most. */
const GATHER_MS = 2;
const BYTES_PER_BATCH_MAX = 16 * 1024 * 1024;
const WRONG_LAST_SEQUENCE = 10071;
const BATCH_INCOMPLETE = 10176;
/** Times that a lone commit is tried again when the key's last message turned out to be another. */
const RACES_MAX = 20;

/**
 * Group commit (DESIGN D4). Up to two dozen lone writes go as plain publishes; more than that, and
 * plans of several writes, as one atomic batch. What comes meanwhile queues up for the next round.
 * When an expectation in a batch does not hold, the whole batch is refused, and its commits are
 * tried one by one. What a person waits for goes beside or before the others.
 */
export class Writer {
  readonly #log: Log;
  readonly #tails: Tails;
  #queue: Plan[] = [];
  /** Those of the queue's last round. */
  #underWay: readonly Plan[] = [];
  /** Beside them, by key. */
  readonly #express = new Map<Key, Promise<void>>();
  #underWayWrites = 0;
  #running: Promise<void> | undefined;
  #head: Revision = 0;

  constructor(log: Log, tails: Tails) {
    this.#log = log;
    this.#tails = tails;
  }

  /** The writes have been checked (writes.ts). See Store.commit. */
  commit(writes: readonly Write[], headers: WriteHeaders): Promise<Revision[]> {
    return new Promise((resolve, reject) => {
      let bytes = 0;
      for (const write of writes) bytes += write.value?.length ?? 0;
      const commit = nuid.next();
      const deadline = performance.now() + AWAY_MS;
      const plan = { writes, headers, commit, bytes, deadline, resolve, reject };
      if (this.#goesAtOnce(plan)) {
        this.#sendAtOnce(plan);
        return;
      }
      this.#queue.push(plan);
      this.#running ??= this.#run();
    });
  }

  /** True while the stream has a batch to take, or soon will have. */
  get busy(): boolean {
    return this.#running !== undefined;
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    while (this.#running || this.#express.size > 0) {
      await Promise.all([this.#running, ...this.#express.values()]);
    }
  }

  /**
   * A client that waits for a single write does not wait for long batches as well: it goes at
   * once, beside them, when nothing else is under way for its key. Its expectation guards it
   * against whatever overtakes it.
   */
  #goesAtOnce({ headers, writes }: Plan): boolean {
    const [write] = writes;
    if (this.#underWayWrites + this.#queue.length < LONG_ROUND) return false;
    if (!isPerson(headers) || writes.length > 1 || write?.expect === undefined) return false;
    if (this.#express.size >= EXPRESS_MAX || this.#express.has(write.key)) return false;
    const isSame = ({ key }: Write): boolean => key === write.key;
    const meets = (plan: Plan): boolean => plan.writes.some(isSame);
    return !this.#queue.some(meets) && !this.#underWay.some(meets);
  }

  #sendAtOnce(plan: Plan): void {
    const conflict = this.#certainConflict(plan);
    if (conflict) {
      plan.reject(conflict);
      return;
    }
    const [{ key }] = plan.writes as [Write];
    const sent = this.#settleAlone(plan).finally(() => this.#express.delete(key));
    this.#express.set(key, sent);
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      await lull(GATHER_MS);
      const plans = this.#take();
      this.#underWay = plans;
      this.#underWayWrites = plans.reduce((sum, plan) => sum + plan.writes.length, 0);
      if (plans.length <= SINGLES_MAX && plans.every((plan) => plan.writes.length === 1)) {
        await Promise.all(plans.map((plan) => this.#settleAlone(plan)));
        continue;
      }
      if (plans.length > 1) {
        const outcome = await this.#send(plans);
        if (outcome.type !== "refused") {
          this.#settle(plans, outcome);
          continue;
        }
      }
      for (const plan of plans) await this.#settleAlone(plan);
    }
    this.#underWay = [];
    this.#underWayWrites = 0;
    this.#running = undefined;
  }

  /** The plans for the next request: as many as fit, no key twice. */
  #take(): Plan[] {
    const taken: Plan[] = [];
    const left: Plan[] = [];
    const keys = new Set<Key>();
    let writes = 0;
    let bytes = 0;
    for (const plan of peopleFirst(this.#queue, WRITES_PER_BATCH / 2)) {
      const conflict = this.#certainConflict(plan);
      if (conflict) {
        plan.reject(conflict);
        continue;
      }
      const alone = this.#isDoubtful(plan);
      const fits =
        writes + plan.writes.length <= WRITES_PER_BATCH &&
        bytes + plan.bytes <= BYTES_PER_BATCH_MAX &&
        !(alone && taken.length > 0) &&
        !plan.writes.some((write) => keys.has(write.key));
      // Also of those left behind: a later commit of a key must not overtake an earlier one.
      for (const write of plan.writes) keys.add(write.key);
      if (taken.length > 0 && !fits) {
        left.push(plan);
        continue;
      }
      taken.push(plan);
      writes += plan.writes.length;
      bytes += plan.bytes;
      if (alone) writes = WRITES_PER_BATCH;
    }
    this.#queue = left;
    return taken;
  }

  /** A newer message than the expected one is known: the expectation can never hold again. */
  #certainConflict(plan: Plan): ConflictError | undefined {
    for (const { key, expect } of plan.writes) {
      if (!expect) continue;
      const tail = this.#tails.get(key);
      if (!tail || tail.revision < expect) continue;
      if (tail.revision === expect && tail.live) continue;
      return new ConflictError(key, expect, tail.live ? tail.revision : 0);
    }
    return undefined;
  }

  /** Expects a key not to exist that existed when last heard of: would spoil a batch. */
  #isDoubtful(plan: Plan): boolean {
    return plan.writes.some(({ key, expect }) => expect === 0 && this.#tails.get(key)?.live);
  }

  async #settleAlone(plan: Plan): Promise<void> {
    for (let race = 0; race < RACES_MAX; race += 1) {
      const outcome = await this.#send([plan]);
      if (outcome.type !== "refused") {
        this.#settle([plan], outcome);
        return;
      }
      try {
        const conflict = await this.#conflictOf(plan);
        if (conflict) {
          plan.reject(conflict);
          return;
        }
      } catch (error) {
        plan.reject(new UnavailableError("the log cannot be read", { cause: error }));
        return;
      }
      // The key was deleted or forgotten meanwhile; now the writer knows what to expect.
    }
    plan.reject(new UnavailableError("the keys change too fast; nothing was written"));
  }

  #settle(plans: readonly Plan[], outcome: Exclude<Outcome, { type: "refused" }>): void {
    if (outcome.type === "failed") {
      for (const plan of plans) plan.reject(outcome.error);
      return;
    }
    let revision = outcome.first;
    for (const plan of plans) {
      const revisions = plan.writes.map((write) => {
        this.#tails.learn(write.key, { revision, live: write.value !== null });
        revision += 1;
        return revision - 1;
      });
      plan.resolve(revisions);
    }
    this.#head = Math.max(this.#head, revision - 1);
  }

  /** The first expectation of a refused plan that does not hold; undefined when all do. */
  async #conflictOf(plan: Plan): Promise<ConflictError | undefined> {
    for (const { key, expect } of plan.writes) {
      if (expect === undefined) continue;
      const last = await this.#log.lastStamp(key);
      if (last) this.#tails.learn(key, { revision: last.sequence, live: !last.deleted });
      else this.#tails.forget(key);
      const actual = last && !last.deleted ? last.sequence : 0;
      if (actual !== expect) return new ConflictError(key, expect, actual);
    }
    return undefined;
  }

  /**
   * Brings the plans into the log as one, and finds out whether they are in it, over lost
   * connections and restarts of the server. To send a commit again is safe while one of its
   * expectations guards it: it cannot be taken twice. Without one it is safe only when the server
   * that may still hold the first attempt is dead.
   */
  async #send(plans: readonly Plan[]): Promise<Outcome> {
    const deadline = Math.min(...plans.map((plan) => plan.deadline));
    const guarded = plans.some((plan) => plan.writes.some((write) => write.expect !== undefined));
    const headBefore = this.#head;
    let server = this.#log.connection.serverId;
    let perhapsTaken = false;
    for (;;) {
      try {
        if (perhapsTaken) {
          const first = await this.#find(plans, headBefore);
          if (first !== undefined) return { type: "committed", first };
          if (!guarded && server === this.#log.connection.serverId) return unknown();
        }
        if (this.#log.connection.connected) {
          server = this.#log.connection.serverId;
          const first = await publishTogether(this.#log, this.#tails, plans);
          return { type: "committed", first };
        }
      } catch (error) {
        if (error instanceof ApiError && error.errorCode === WRONG_LAST_SEQUENCE) {
          if (!perhapsTaken) return { type: "refused" };
          const found = await this.#find(plans, headBefore).catch(() => null);
          if (found === undefined) return { type: "refused" };
          if (found !== null) return { type: "committed", first: found };
        } else if (error instanceof ApiError && error.errorCode !== BATCH_INCOMPLETE) {
          if (!perhapsTaken) return failed(`the log refused: ${error.message}`);
        } else if (!(error instanceof NobodyThereError) && !(error instanceof ApiError)) {
          perhapsTaken = true;
        }
      }
      if (performance.now() > deadline) {
        return perhapsTaken ? unknown() : failed("the log cannot be reached");
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  /**
   * The first revision of the plans when they are in the log. The version that replaced an expected
   * one is either this commit's or proof that the commit can never be taken.
   */
  async #find(plans: readonly Plan[], headBefore: Revision): Promise<Revision | undefined> {
    let index = 0;
    let place: { plan: Plan; write: Write; index: number } | undefined;
    for (const plan of plans) {
      for (const write of plan.writes) {
        const guards = write.expect !== undefined && place?.write.expect === undefined;
        if (!place || guards) place = { plan, write, index };
        index += 1;
      }
    }
    if (!place) return undefined;
    const { key, expect } = place.write;
    let after = expect === undefined ? headBefore : this.#tails.expectedSequence(key, expect);
    for (;;) {
      const stamp = await this.#log.nextStamp(key, after + 1);
      if (!stamp) return undefined;
      if (stamp.commit === place.plan.commit) return stamp.sequence - place.index;
      if (expect !== undefined) return undefined;
      after = stamp.sequence;
    }
  }
}

function failed(message: string): Outcome {
  return { type: "failed", error: new UnavailableError(`${message}; nothing was written`) };
}

function unknown(): Outcome {
  const message = "the connection broke while writing, and what became of it cannot be found out";
  return { type: "failed", error: new UnknownOutcomeError(message) };
}
