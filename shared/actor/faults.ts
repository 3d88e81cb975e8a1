import type { Cancel } from "../runtime/runtime.ts";
import type { ActorDependencies } from "./dependencies.ts";
import type { FaultOrder } from "./orders.ts";

/** Breaks a process on purpose, and mends it. Wired into the process when it starts. */
export interface FaultSwitch {
  /** @throws Error with the reason when it knows no such fault; nothing is broken then. */
  apply(order: FaultOrder): void;
  /** Does nothing when the fault is not active. */
  heal(id: string): void;
  /** Ids of the faults that are in force. */
  active(): readonly string[];
}

/** The faults in force; each ends at its time, whoever ordered it may be gone. */
export class Faults {
  readonly #dependencies: Pick<ActorDependencies, "runtime" | "logger">;
  readonly #faults: FaultSwitch;
  readonly #endings = new Map<string, Cancel>();

  constructor(dependencies: Pick<ActorDependencies, "runtime" | "logger">, faults: FaultSwitch) {
    this.#dependencies = dependencies;
    this.#faults = faults;
  }

  apply(order: FaultOrder): void {
    const { id, forMs, fault } = order;
    const { runtime, logger } = this.#dependencies;
    this.#faults.apply(order);
    // Renewed every second, it begins once.
    if (!this.#endings.has(id)) logger.warn({ id, forMs, fault }, "fault begins");
    this.#endings.get(id)?.();
    this.#endings.set(
      id,
      runtime.timers.after(forMs, () => this.heal(id)),
    );
  }

  /** Ends one fault, or all of them. */
  heal(id?: string): void {
    for (const each of id === undefined ? this.#faults.active() : [id]) {
      this.#endings.get(each)?.();
      this.#endings.delete(each);
      this.#faults.heal(each);
      this.#dependencies.logger.warn({ id: each }, "fault ends");
    }
  }
}
