import { type Faults, latencyOf, names } from "../../shared/faults/language.ts";
import { drawIn } from "../../shared/faults/timetable.ts";
import type { RandomStream } from "../../shared/runtime/runtime.ts";
import type { SeededRuntime, SimulatedProcess } from "../../shared/runtime/seeded.ts";
import type { MemoryStore } from "../../shared/store/memory.ts";
import {
  type Key,
  type Revision,
  type Store,
  UnavailableError,
  UnknownOutcomeError,
  type Version,
  type Watch,
  type WatchHandler,
  type Write,
  type WriteHeaders,
} from "../../shared/store/store.ts";
import type { SimulatedNetwork } from "./network.ts";

/** How long a client of the log tries before it gives up on a log it is cut off from. */
const UNREACHABLE_MS = 2_000;

/** A write that was acknowledged to a process: from then on it must be there. */
export interface Acknowledged {
  readonly key: Key;
  readonly revision: Revision;
  readonly deleted: boolean;
}

/**
 * The log as processes reach it: the one memory store, behind latency, cuts and lag. Each process
 * gets a Store of its own by `open`.
 */
export class SimulatedLog {
  readonly simulator: SeededRuntime;
  readonly store: MemoryStore;
  readonly acknowledged: Acknowledged[] = [];
  /** Processes that see nothing above a revision for now, by name. */
  readonly held = new Map<string, Revision>();
  /** Who sent the commit that the log takes at this moment, or took last. */
  committer = "";
  readonly network: SimulatedNetwork;
  readonly name: string;

  constructor(name: string, store: MemoryStore, network: SimulatedNetwork) {
    this.name = name;
    this.store = store;
    this.network = network;
    this.simulator = network.simulator;
  }

  get faults(): Faults {
    return this.network.faults;
  }

  /** The log as one process sees it. */
  open(process: SimulatedProcess): Store {
    return new RemoteStore(this, process);
  }
}

class RemoteStore implements Store {
  readonly #log: SimulatedLog;
  readonly #process: SimulatedProcess;
  readonly #random: RandomStream;

  constructor(log: SimulatedLog, process: SimulatedProcess) {
    this.#log = log;
    this.#process = process;
    this.#random = log.simulator.random.stream(`log/${log.name}/${process.name}`);
  }

  commit(writes: readonly Write[], headers: WriteHeaders): Promise<Revision[]> {
    const { faults, network } = this.#log;
    const roll = (fault: string, probability: number) =>
      probability > 0 ? network.dice.roll(fault, this.#process.name, probability) : undefined;
    const commit = async (): Promise<Revision[]> => {
      if (roll("log.unavailable", faults.log?.unavailable ?? 0)) {
        throw new UnavailableError("the log is not reachable");
      }
      if (faults.log?.diskFull) throw new UnavailableError("the log's disk is full");
      const slow = faults.log?.slowSync;
      const drawn = slow && roll("log.slowSync", slow.probability);
      if (drawn) await this.#log.simulator.timers.sleep(drawIn(drawn, slow.ms));
      this.#log.committer = this.#process.name;
      const revisions = await this.#log.store.commit(writes, headers);
      if (roll("log.unknownOutcome", faults.log?.unknownOutcome ?? 0)) {
        throw new UnknownOutcomeError("the connection broke");
      }
      return revisions;
    };
    return this.#call("commit", commit, (revisions) => {
      writes.forEach((write, index) => {
        const revision = revisions[index] as Revision;
        const deleted = write.value === null;
        this.#log.acknowledged.push({ key: write.key, revision, deleted });
      });
    });
  }

  head(): Promise<Revision> {
    return this.#call("send", () => this.#log.store.head());
  }

  revisionBefore(time: number): Promise<Revision> {
    return this.#call("send", () => this.#log.store.revisionBefore(time));
  }

  get(key: Key, at?: Revision): Promise<Version | undefined> {
    return this.#call("send", () => this.#log.store.get(key, at));
  }

  list(prefix: string, at?: Revision): Promise<{ revision: Revision; versions: Version[] }> {
    return this.#call("send", () => this.#log.store.list(prefix, at));
  }

  compact(revision: Revision): Promise<void> {
    return this.#call("commit", () => this.#log.store.compact(revision));
  }

  watch(prefix: string, from: Revision | "snapshot", handler: WatchHandler): Watch {
    const watch = new LaggingWatch(this.#log, this.#process, handler);
    if (this.#process.alive) watch.follow(prefix, from);
    return watch;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /**
   * There and back: the call takes effect at the log even if the process dies meanwhile, and the
   * answer is lost then.
   */
  #call<T>(effect: string, act: () => Promise<T>, answered?: (answer: T) => void): Promise<T> {
    const { simulator, network } = this.#log;
    return new Promise((resolve, reject) => {
      if (this.#process.alive) simulator.boundary?.(this.#process, effect);
      if (!this.#process.alive) return;
      if (network.isCut(this.#process)) {
        const error = new UnavailableError("the log is not reachable");
        simulator.schedule(this.#process, UNREACHABLE_MS, "receive", () => reject(error));
        return;
      }
      const back = (settle: () => void): void => {
        simulator.schedule(this.#process, this.#latency(), "receive", settle);
      };
      const arrive = (): void => {
        act().then(
          (answer) => {
            back(() => {
              answered?.(answer);
              resolve(answer);
            });
          },
          (error: unknown) => back(() => reject(error)),
        );
      };
      simulator.timers.after(this.#latency(), arrive);
    });
  }

  #latency(): number {
    const [least, most] = latencyOf(this.#log.faults, this.#process.name);
    return least + this.#random.next() * (most - least);
  }
}

interface Delivery {
  readonly revision: Revision;
  readonly deliver: () => void;
}

/** A consumer that gets every version in order, sometimes late, sometimes many at once. */
class LaggingWatch implements Watch {
  readonly #log: SimulatedLog;
  readonly #process: SimulatedProcess;
  readonly #handler: WatchHandler;
  readonly #random: RandomStream;
  #queue: Delivery[] = [];
  #deliveryDue = false;
  #lagMs = 0;
  #inner: Watch | undefined;
  #stopped = false;

  constructor(log: SimulatedLog, process: SimulatedProcess, handler: WatchHandler) {
    this.#log = log;
    this.#process = process;
    this.#handler = handler;
    this.#random = log.simulator.random.stream(`watch/${log.name}/${process.name}`);
    process.onCrash(() => this.stop());
  }

  follow(prefix: string, from: Revision | "snapshot"): void {
    const view = this.#log.held.get(this.#process.name);
    if (from === "snapshot" && view !== undefined) void this.#followPast(prefix, view);
    else this.#inner = this.#log.store.watch(prefix, from, this.#taker());
  }

  /** Begins as a copy of the log would that has not come further than `view`. */
  async #followPast(prefix: string, view: Revision): Promise<void> {
    const { versions } = await this.#log.store.list(prefix, view);
    if (this.#stopped) return;
    const taker = this.#taker();
    versions.sort((a, b) => a.revision - b.revision);
    for (const version of versions) taker.version({ ...version, more: false });
    taker.caughtUp(view);
    const { version, failed } = taker;
    this.#inner = this.#log.store.watch(prefix, view, { version, failed });
  }

  #taker() {
    const handler = this.#handler;
    return {
      version: (version: Version): void => {
        const { revision, more } = version;
        this.#push({ revision, deliver: () => handler.version(version) }, more);
      },
      caughtUp: (revision: Revision): void => {
        this.#push({ revision, deliver: () => handler.caughtUp?.(revision) }, false);
      },
      failed: (error: Error): void => {
        this.#push({ revision: 0, deliver: () => handler.failed(error) }, false);
      },
    };
  }

  stop(): void {
    this.#stopped = true;
    this.#inner?.stop();
    this.#queue = [];
  }

  #push(delivery: Delivery, more: boolean): void {
    this.#queue.push(delivery);
    if (!more && !this.#deliveryDue) this.#deliverAfter(this.#delay());
  }

  #deliverAfter(ms: number): void {
    this.#deliveryDue = true;
    this.#log.simulator.schedule(this.#process, ms, "version", () => this.#deliver());
  }

  #deliver(): void {
    this.#deliveryDue = false;
    if (this.#stopped) return;
    if (this.#log.network.isCut(this.#process)) {
      this.#deliverAfter(20);
      return;
    }
    const { unobserved } = this.#log.faults;
    if (unobserved && this.#hits(unobserved.actor)) {
      // Stays until there is more, or a while has passed.
      const waits = this.#roll("unobserved", unobserved.coalesce);
      if (waits) {
        this.#deliverAfter(20 + 80 * waits.next());
        return;
      }
    }
    const seen = this.#log.held.get(this.#process.name) ?? Number.POSITIVE_INFINITY;
    const queue = this.#queue.filter(({ revision }) => revision <= seen);
    this.#queue = this.#queue.filter(({ revision }) => revision > seen);
    if (this.#queue.length > 0) this.#deliverAfter(20);
    for (const { deliver } of queue) {
      if (this.#stopped) return;
      deliver();
    }
  }

  #delay(): number {
    const { lag } = this.#log.faults;
    const [least, most] = latencyOf(this.#log.faults, this.#process.name);
    if (lag === undefined || !this.#hits(lag.actor)) this.#lagMs = 0;
    else {
      const drawn = this.#roll("lag", lag.probability);
      if (drawn) this.#lagMs = drawIn(drawn, lag.ms);
    }
    return least + this.#random.next() * (most - least) + this.#lagMs;
  }

  #roll(fault: string, probability: number): RandomStream | undefined {
    return this.#log.network.dice.roll(fault, this.#process.name, probability);
  }

  #hits(actor: string): boolean {
    return names(actor, this.#process.name);
  }
}
