import { z } from "zod";
import type { Bus } from "../../../shared/actor/bus.ts";
import type { FaultSwitch } from "../../../shared/actor/faults.ts";
import type { FaultOrder } from "../../../shared/actor/orders.ts";
import type { EFFECTS } from "../../../shared/faults/effects.ts";
import type { RandomStream, Runtime } from "../../../shared/runtime/runtime.ts";
import type { Store } from "../../../shared/store/store.ts";
import { FaultyBus } from "./bus.ts";
import { type FaultKind, type FaultSpec, faultSpec, type SpecOf } from "./spec.ts";
import { FaultyStore } from "./store.ts";

export type Effect = (typeof EFFECTS)[number];

/** What goes wrong at present, by kind; of two of a kind the later one. */
export type Present = { readonly [Kind in FaultKind]?: SpecOf<Kind> };

const NOTHING: Present = Object.freeze({});

/**
 * The faults of this process. Its actors get their bus, stores and clock through it; while nothing
 * is wrong these only pass on, for the price of one comparison.
 */
export class ProcessFaults implements FaultSwitch {
  /** The process's runtime, with a clock that may be wrong. */
  readonly runtime: Runtime;
  readonly random: RandomStream;
  readonly #real: Runtime;
  readonly #die: () => void;
  readonly #active = new Map<string, FaultSpec>();
  readonly #listeners = new Set<() => void>();
  #present: Present | undefined;
  #cloggedUntil = 0;

  /** `die` kills the process on the spot. */
  constructor(runtime: Runtime, die: () => void) {
    this.#real = runtime;
    this.#die = die;
    this.random = runtime.random.stream("faults");
    const { clock } = runtime;
    this.runtime = {
      timers: runtime.timers,
      random: runtime.random,
      ids: runtime.ids,
      clock: {
        now: () => clock.now() + (this.#present?.skew?.ms ?? 0),
        monotonic: () => clock.monotonic(),
      },
    };
  }

  /** Undefined while nothing is wrong. */
  get present(): Present | undefined {
    return this.#present;
  }

  bus(inner: Bus): Bus {
    return new FaultyBus(this, inner);
  }

  store(inner: Store): Store {
    return new FaultyStore(this, inner);
  }

  apply({ id, fault }: FaultOrder): void {
    const result = faultSpec.safeParse(fault);
    if (!result.success) throw new Error(z.prettifyError(result.error));
    this.#active.set(id, result.data);
    this.#changed();
  }

  heal(id: string): void {
    if (this.#active.delete(id)) this.#changed();
  }

  active(): readonly string[] {
    return [...this.#active.keys()];
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** A crash may strike here: the process is about to touch the world outside its memory. */
  boundary(effect: Effect): void {
    const crash = this.#present?.crash;
    if (crash === undefined || (crash.between && !crash.between.includes(effect))) return;
    if (this.hits(crash.probability)) this.#die();
  }

  hits(probability: number): boolean {
    return probability > 0 && this.random.next() < probability;
  }

  /** How long what is sent now waits, milliseconds. */
  sendingDelay(): number {
    const { slow, clog } = this.#present ?? NOTHING;
    const now = this.#real.clock.monotonic();
    if (clog && this.#cloggedUntil <= now && this.hits(clog.probability)) {
      this.#cloggedUntil = now + clog.meanMs * 2 * this.random.next();
    }
    const clogged = clog ? Math.max(0, this.#cloggedUntil - now) : 0;
    return Math.max(clogged, slow ? this.draw(slow.ms) : 0);
  }

  draw([least, most]: readonly [number, number]): number {
    return least + this.random.next() * (most - least);
  }

  #changed(): void {
    const byKind = [...this.#active.values()].map((spec) => [spec.kind, spec]);
    this.#present = byKind.length === 0 ? undefined : (Object.fromEntries(byKind) as Present);
    for (const listener of this.#listeners) listener();
  }
}
