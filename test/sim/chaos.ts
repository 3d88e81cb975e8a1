import {
  type Faults,
  NO_FAULTS,
  names,
  parseFaults,
  type Striking,
  type StrikingFault,
} from "../../shared/faults/language.ts";
import { drawIn, Timetable } from "../../shared/faults/timetable.ts";
import type { RandomStream } from "../../shared/runtime/runtime.ts";
import type { SeededRuntime, SimulatedProcess } from "../../shared/runtime/seeded.ts";
import type { SimulatedNetwork } from "./network.ts";

/** What the faults strike: who runs, and how one comes back after a crash. */
export interface Target {
  /** The processes alive. */
  readonly alive: () => readonly SimulatedProcess[];
  /** False for the processes of those who only use the cluster. */
  readonly owns: (process: SimulatedProcess) => boolean;
  readonly restart: (name: string, afterMs: number) => void;
}

/** Makes the faults happen, until told to stop. */
export class Chaos {
  readonly #simulator: SeededRuntime;
  readonly #network: SimulatedNetwork;
  readonly #target: Target;
  readonly #random: RandomStream;
  readonly #cut = new Set<SimulatedProcess>();
  readonly #timetable: Timetable;
  readonly #all: Faults;
  #faults: Faults;
  crashes = 0;

  constructor(network: SimulatedNetwork, target: Target) {
    this.#network = network;
    this.#simulator = network.simulator;
    this.#target = target;
    this.#all = network.faults;
    this.#faults = network.faults;
    this.#random = this.#simulator.random.stream("chaos");
    this.#simulator.boundary = (process, effect) => this.#crash(process, effect);
    this.#timetable = new Timetable(this.#all, this.#simulator.timers, this.#random, {
      lasting: (faults) => {
        this.#faults = faults;
        network.faults = faults;
      },
      strike: (kind, index, forMs) => this.#strike(kind, index, forMs),
    });
    this.#timetable.start();
  }

  /** The wall clock of a process that starts now is this far off. */
  skewOf(name: string): number {
    const { clockSkew } = this.#faults;
    return clockSkew && names(clockSkew.actor, name) ? drawIn(this.#random, clockSkew.ms) : 0;
  }

  /** From now on nothing goes wrong. */
  stop(): void {
    this.#timetable.stop();
    this.#faults = NO_FAULTS;
    this.#network.faults = NO_FAULTS;
    this.#simulator.boundary = undefined;
    this.#heal();
    for (const process of this.#target.alive()) {
      process.skew(0);
      process.pause(0);
    }
  }

  #crash(process: SimulatedProcess, effect: string): void {
    const { crash } = this.#faults;
    if (crash === undefined || !names(crash.actor, process.name)) return;
    if (!this.#target.owns(process)) return;
    if (crash.between && !(crash.between as readonly string[]).includes(effect)) return;
    if (this.#random.next() >= crash.probability) return;
    this.crashes++;
    process.crash();
    this.#target.restart(process.name, drawIn(this.#random, crash.downMs));
  }

  #strike(kind: Striking, index: number, forMs: number): void {
    const fault = this.#all[kind]?.[index];
    if (fault === undefined) return;
    const able = this.#target
      .alive()
      .filter((process) => this.#target.owns(process) && names(fault.actor, process.name));
    if (kind === "partition") {
      this.#partition(this.#all.partition?.[index] as StrikingFault<"partition">, able, forMs);
      return;
    }
    if (able.length === 0) return;
    const process = able[this.#random.integer(able.length)] as SimulatedProcess;
    if (kind === "pause") process.pause(forMs);
    else this.#kill(process, this.#all.kill?.[index] as StrikingFault<"kill">);
  }

  #kill(process: SimulatedProcess, { downMs }: StrikingFault<"kill">): void {
    this.crashes++;
    process.crash();
    this.#target.restart(process.name, drawIn(this.#random, downMs));
  }

  #partition(
    { mode, symmetry }: StrikingFault<"partition">,
    able: SimulatedProcess[],
    forMs: number,
  ): void {
    const count = mode === "isolateSingle" ? 1 : Math.floor(able.length / 2);
    for (let index = 0; index < count && able.length > 0; index++) {
      const [process] = able.splice(this.#random.integer(able.length), 1);
      this.#isolate(process as SimulatedProcess, symmetry);
    }
    this.#simulator.timers.after(forMs, () => this.#heal());
  }

  #isolate(process: SimulatedProcess, symmetry: "symmetric" | "asymmetric"): void {
    const oneWay = symmetry === "asymmetric" ? this.#random.integer(2) : undefined;
    const cut = { send: oneWay !== 1, receive: oneWay !== 0 };
    this.#simulator.trace(`cut ${process.name} ${JSON.stringify(cut)}`);
    this.#cut.add(process);
    this.#network.cut(process, cut);
  }

  #heal(): void {
    for (const process of this.#cut) {
      this.#simulator.trace(`heal ${process.name}`);
      this.#network.cut(process, undefined);
    }
    this.#cut.clear();
  }
}

/**
 * Draws which faults a run has and how hard they are, so that over many seeds each also happens
 * alone, and with each of the others.
 */
export function drawFaults(random: RandomStream): Faults {
  const maybe = <T>(probability: number, fault: () => T): T | undefined =>
    random.next() < probability ? fault() : undefined;
  const upTo = (most: number): number => random.next() * most;
  const slow = random.next() < 0.3;
  const drawn = {
    latency: { ms: slow ? [1, 60] : [0.2, 4] },
    crash: maybe(0.7, () => ({
      probability: upTo(0.003),
      downMs: [50, 50 + upTo(3_000)],
      actor: random.next() < 0.5 ? "*" : ["apiserver-*", "control-*", "node-*"][random.integer(3)],
    })),
    lag: maybe(0.5, () => ({ probability: upTo(0.3), ms: [0, 20 + upTo(1_500)] })),
    unobserved: maybe(0.4, () => ({ coalesce: upTo(0.6) })),
    loss: maybe(0.4, () => ({ probability: upTo(0.05) })),
    duplicate: maybe(0.4, () => ({ probability: upTo(0.1) })),
    partition: maybe(0.4, () => ({
      mode: random.next() < 0.7 ? "isolateSingle" : "isolateHalf",
      symmetry: random.next() < 0.5 ? "symmetric" : "asymmetric",
      every: [500, 5_000],
      for: [200, 3_000],
    })),
    clog: maybe(0.3, () => ({ probability: upTo(0.01), meanMs: 5 + upTo(300) })),
    clockSkew: maybe(0.4, () => ({ ms: [-upTo(3_000), upTo(3_000)] })),
    log: maybe(0.3, () => ({ unavailable: upTo(0.05), unknownOutcome: upTo(0.05) })),
  };
  return parseFaults(drawn);
}
