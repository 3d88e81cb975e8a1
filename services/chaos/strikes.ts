import { durationText, type Range } from "../../shared/faults/duration.ts";
import {
  type Faults,
  LASTING,
  type Lasting,
  type Striking,
  type StrikingFault,
} from "../../shared/faults/language.ts";
import { drawIn, Timetable } from "../../shared/faults/timetable.ts";
import type { Cancel, RandomStream, Runtime } from "../../shared/runtime/runtime.ts";
import { matches, NATS_SERVER, type Operator, type Target } from "./operator.ts";
import type { FaultSpec } from "./process/spec.ts";
import type { FaultEvent } from "./record.ts";
import { specsFor } from "./specs.ts";

/** Faults end so long after the last renewal: whoever renews them may be killed. */
export const EXPIRY_MS = 3_000;
const RENEW_MS = 1_000;

export interface StrikesOptions {
  readonly faults: Faults;
  readonly runtime: Runtime;
  /** What is drawn follows from it. */
  readonly random: RandomStream;
  readonly operator: Operator;
  /** Told of a kill, and of all processes as they were just before it. */
  readonly onKill: (target: Target, at: number, targets: readonly Target[]) => void;
  readonly onEvent: (event: FaultEvent) => void;
}

interface Held {
  readonly process: string;
  readonly fault: FaultSpec | "pause";
  readonly id: string;
  /** On the wall clock. */
  readonly until: number;
}

/** Makes the faults of a file happen to a running cluster, within their limits. */
export class Strikes {
  /** Strikes that the limits forbade. */
  spared = 0;
  readonly #options: StrikesOptions;
  readonly #timetable: Timetable;
  readonly #held = new Map<string, Held>();
  /** By process and fault: what lasts in it. */
  readonly #lasting = new Map<string, { readonly spec: FaultSpec; readonly event: FaultEvent }>();
  #now: Faults;
  #targets: readonly Target[] = [];
  #cancel: Cancel | undefined;
  #serial = 0;
  #busy = false;

  constructor(options: StrikesOptions) {
    const { faults, runtime, random } = options;
    this.#options = options;
    this.#now = faults;
    this.#timetable = new Timetable(faults, runtime.timers, random, {
      lasting: (present) => {
        this.#now = present;
      },
      strike: (kind, index, forMs) =>
        void this.#strike(kind, index, forMs).catch(() => this.spared++),
    });
  }

  /** The processes as they were seen lately. */
  get targets(): readonly Target[] {
    return this.#targets;
  }

  start(): void {
    this.#timetable.start();
    this.#cancel = this.#options.runtime.timers.every(RENEW_MS, () => void this.#renew());
    void this.#renew();
  }

  /** Ends every fault. What cannot be reached heals by itself within `EXPIRY_MS`. */
  async stop(): Promise<void> {
    this.#timetable.stop();
    this.#cancel?.();
    const { operator } = this.#options;
    const paused = [...this.#held.values()].filter(({ fault }) => fault === "pause");
    const held = [...this.#held.keys()];
    this.#held.clear();
    for (const place of this.#lasting.keys()) this.#ended(place);
    await Promise.allSettled(paused.map(({ process }) => operator.resume(process)));
    const broken = this.#targets.filter(({ name }) => name !== NATS_SERVER);
    if (held.length === 0 && !this.#anyLasting()) return;
    await Promise.allSettled(broken.map(({ name }) => operator.heal(name)));
  }

  #anyLasting(): boolean {
    return (Object.keys(LASTING) as Lasting[]).some((kind) => this.#now[kind] !== undefined);
  }

  async #strike(kind: Striking, index: number, forMs: number): Promise<void> {
    const { faults, random, operator } = this.#options;
    const fault = faults[kind]?.[index];
    if (fault === undefined) return;
    const targets = await operator.targets();
    this.#targets = targets;
    const meant = targets.filter((target) => matches(target, fault.actor));
    const half = "mode" in fault && fault.mode === "isolateHalf";
    const count = half ? Math.max(1, Math.floor(meant.length / 2)) : 1;
    for (let struck = 0; struck < count; struck++) {
      const able = meant.filter((target) => this.#permitted(kind, target, targets));
      const target = able[random.integer(Math.max(1, able.length))];
      if (target === undefined) {
        this.spared++;
        return;
      }
      if (kind === "kill") await this.#kill(target, fault as StrikingFault<"kill">);
      else await this.#hold(kind, target, fault as StrikingFault<"partition">, forMs);
    }
  }

  async #kill(target: Target, { downMs }: StrikingFault<"kill">): Promise<void> {
    const { operator, random, onKill, onEvent } = this.#options;
    const down = Math.round(drawIn(random, downMs));
    const { at } = await operator.kill(target.name, down);
    onKill(target, at, this.#targets);
    const detail = down === 0 ? "SIGKILL" : `SIGKILL, down for ${durationText(down)}`;
    onEvent({ kind: "kill", process: target.name, at, detail });
  }

  async #hold(
    kind: "partition" | "pause",
    target: Target,
    fault: StrikingFault<"partition">,
    forMs: number,
  ): Promise<void> {
    const { runtime, random, onEvent } = this.#options;
    const oneWay = fault.symmetry === "asymmetric" ? random.integer(2) : undefined;
    const spec: FaultSpec = {
      kind: "partition",
      from: fault.from,
      send: oneWay !== 1,
      receive: oneWay !== 0,
    };
    const at = runtime.clock.now();
    const until = at + forMs;
    const id = `chaos-${kind}-${++this.#serial}`;
    const held: Held = {
      process: target.name,
      fault: kind === "pause" ? "pause" : spec,
      id,
      until,
    };
    this.#held.set(id, held);
    await this.#renewHeld(held);
    const way = oneWay === undefined ? "" : oneWay === 1 ? ", receives nothing" : ", sends nothing";
    const detail = kind === "pause" ? "SIGSTOP" : `cut off from ${fault.from}${way}`;
    onEvent({ kind, process: target.name, at, until, detail });
    runtime.timers.after(forMs, () => this.#held.delete(id));
  }

  /** Never more replicas of an actor, nor more processes, than the limits say. */
  #permitted(kind: Striking, target: Target, targets: readonly Target[]): boolean {
    const { limits } = this.#options.faults;
    if (target.name === NATS_SERVER && (!limits.onlyServer || kind === "partition")) return false;
    const hit = targets.filter((each) => this.#isHit(each));
    if (hit.includes(target) || hit.length >= limits.total) return false;
    return hit.filter((each) => baseOf(each) === baseOf(target)).length < limits.perActor;
  }

  #isHit({ name, pid, paused, answers }: Target): boolean {
    if (pid === null || paused || !answers) return true;
    return [...this.#held.values()].some(({ process }) => process === name);
  }

  async #renew(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      this.#targets = await this.#options.operator.targets();
      await Promise.allSettled([...this.#held.values()].map((held) => this.#renewHeld(held)));
      await this.#renewLasting();
    } catch {
      // The bus is away; what is in force ends by itself if it stays so.
    } finally {
      this.#busy = false;
    }
  }

  async #renewHeld({ process, fault, id, until }: Held): Promise<void> {
    const { operator, runtime } = this.#options;
    const forMs = Math.min(EXPIRY_MS, Math.round(until - runtime.clock.now()));
    if (forMs <= 0) return;
    if (fault === "pause") await operator.pause(process, forMs);
    else await operator.fault(process, id, forMs, fault);
  }

  async #renewLasting(): Promise<void> {
    const { operator, runtime } = this.#options;
    const draw = (range: Range): number => drawIn(this.#options.random, range);
    const wanted = new Set<string>();
    const orders: Promise<void>[] = [];
    for (const target of this.#targets) {
      if (!target.answers || target.name === NATS_SERVER) continue;
      for (const [kind, spec] of specsFor(this.#now, target, draw)) {
        const id = `chaos-${kind}`;
        const place = `${target.name} ${id}`;
        wanted.add(place);
        const at = runtime.clock.now();
        const event = { kind, process: target.name, at, detail: JSON.stringify(spec) };
        // What was drawn stays.
        const lasting = this.#lasting.get(place) ?? { spec, event };
        this.#lasting.set(place, lasting);
        orders.push(operator.fault(target.name, id, EXPIRY_MS, lasting.spec));
      }
    }
    for (const place of this.#lasting.keys()) {
      if (wanted.has(place)) continue;
      this.#ended(place);
      const [process = "", id = ""] = place.split(" ");
      orders.push(operator.heal(process, id));
    }
    await Promise.allSettled(orders);
  }

  #ended(place: string): void {
    const lasting = this.#lasting.get(place);
    this.#lasting.delete(place);
    const until = this.#options.runtime.clock.now();
    if (lasting !== undefined) this.#options.onEvent({ ...lasting.event, until });
  }
}

/** `apiserver-2` is a replica of `apiserver`. */
function baseOf({ name }: Target): string {
  return name.replace(/-\d+$/, "");
}
