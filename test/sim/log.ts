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
    const { faults } = this.#log;
    const commit = async (): Promise<Revision[]> => {
      if (this.#random.next() < (faults.log?.unavailable ?? 0)) {
        throw new UnavailableError("the log is not reachable");
      }
      if (faults.log?.diskFull) throw new UnavailableError("the log's disk is full");
      const slow = faults.log?.slowSync;
      if (slow && this.#random.next() < slow.probability) {
        await this.#log.simulator.timers.sleep(drawIn(this.#random, slow.ms));
      }
      const revisions = await this.#log.store.commit(writes, headers);
      if (this.#random.next() < (faults.log?.unknownOutcome ?? 0)) {
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

/** A consumer that gets every version in order, sometimes late, sometimes many at once. */
class LaggingWatch implements Watch {
  readonly #log: SimulatedLog;
  readonly #process: SimulatedProcess;
  readonly #handler: WatchHandler;
  readonly #random: RandomStream;
  #queue: (() => void)[] = [];
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
    this.#inner = this.#log.store.watch(prefix, from, {
      version: (version) => this.#push(() => this.#handler.version(version), version.more),
      caughtUp: (revision) => this.#push(() => this.#handler.caughtUp?.(revision), false),
      failed: (error) => this.#push(() => this.#handler.failed(error), false),
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#inner?.stop();
    this.#queue = [];
  }

  #push(deliver: () => void, more: boolean): void {
    this.#queue.push(deliver);
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
    if (unobserved && this.#hits(unobserved.actor) && this.#random.next() < unobserved.coalesce) {
      // Stays until there is more, or a while has passed.
      this.#deliverAfter(20 + 80 * this.#random.next());
      return;
    }
    const queue = this.#queue;
    this.#queue = [];
    for (const deliver of queue) {
      if (this.#stopped) return;
      deliver();
    }
  }

  #delay(): number {
    const { lag } = this.#log.faults;
    const [least, most] = latencyOf(this.#log.faults, this.#process.name);
    if (lag === undefined || !this.#hits(lag.actor)) this.#lagMs = 0;
    else if (this.#random.next() < lag.probability) {
      const [shortest, longest] = lag.ms;
      this.#lagMs = shortest + this.#random.next() * (longest - shortest);
    }
    return least + this.#random.next() * (most - least) + this.#lagMs;
  }

  #hits(actor: string): boolean {
    return names(actor, this.#process.name);
  }
}
