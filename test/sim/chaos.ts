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
import type { Cut, SimulatedNetwork } from "./network.ts";

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
  readonly #cut = new Set<SimulatedProcess>();
  readonly #timetable: Timetable;
  readonly #all: Faults;
  #faults: Faults;
  /** A process that was killed for long comes back by this time, virtual milliseconds. */
  lastReturnMs = 0;
  crashes = 0;

  constructor(network: SimulatedNetwork, target: Target) {
    this.#network = network;
    this.#simulator = network.simulator;
    this.#target = target;
    this.#all = network.faults;
    this.#faults = network.faults;
    this.#simulator.boundary = (process, effect) => this.#crash(process, effect);
    const random = this.#simulator.random.stream("timetable");
    this.#timetable = new Timetable(this.#all, this.#simulator.timers, random, {
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
    if (clockSkew === undefined || !names(clockSkew.actor, name)) return 0;
    const drawn = this.#network.dice.roll("clockSkew", name, 1);
    return drawn ? drawIn(drawn, clockSkew.ms) : 0;
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
    const drawn = this.#network.dice.roll("crash", process.name, crash.probability);
    if (drawn === undefined) return;
    this.crashes++;
    process.crash();
    this.#target.restart(process.name, drawIn(drawn, crash.downMs));
  }

  #strike(kind: Striking, index: number, forMs: number): void {
    const fault = this.#all[kind]?.[index];
    if (fault === undefined) return;
    const drawn = this.#network.dice.roll(kind, String(index), 1);
    if (drawn === undefined) return;
    const able = this.#target
      .alive()
      .filter((process) => this.#target.owns(process) && names(fault.actor, process.name));
    if (kind === "partition") {
      const partition = this.#all.partition?.[index] as StrikingFault<"partition">;
      this.#partition(partition, able, forMs, drawn);
      return;
    }
    const process = able[drawn.integer(able.length)];
    if (process === undefined) return;
    if (kind === "pause") process.pause(forMs);
    else this.#kill(process, this.#all.kill?.[index] as StrikingFault<"kill">, drawn);
  }

  #kill(process: SimulatedProcess, fault: StrikingFault<"kill">, drawn: RandomStream): void {
    const downMs = drawIn(drawn, fault.downMs);
    this.crashes++;
    this.lastReturnMs = Math.max(this.lastReturnMs, this.#simulator.nowMs + downMs);
    process.crash();
    this.#target.restart(process.name, downMs);
  }

  #partition(
    { mode, symmetry }: StrikingFault<"partition">,
    able: SimulatedProcess[],
    forMs: number,
    drawn: RandomStream,
  ): void {
    const count = mode === "isolateSingle" ? 1 : Math.floor(able.length / 2);
    for (let index = 0; index < count && able.length > 0; index++) {
      const [process] = able.splice(drawn.integer(able.length), 1);
      const oneWay = symmetry === "asymmetric" ? drawn.integer(2) : undefined;
      this.#isolate(process as SimulatedProcess, { send: oneWay !== 1, receive: oneWay !== 0 });
    }
    this.#simulator.timers.after(forMs, () => this.#heal());
  }

  #isolate(process: SimulatedProcess, cut: Cut): void {
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
    log: maybe(0.3, () => ({
      unavailable: upTo(0.05),
      unknownOutcome: upTo(0.05),
      slowSync: { probability: upTo(0.1), ms: [5, 300] },
    })),
    // Longer than a node may be silent before its pods are given up.
    kill: maybe(0.06, () => ({
      actor: "node-*",
      every: [2_000, 8_000],
      when: { from: 0, until: 9_000 },
      downMs: [52_000, 80_000],
    })),
    pause: maybe(0.1, () => ({ actor: "*", every: [2_000, 8_000], for: [100, 3_000] })),
  };
  return parseFaults(drawn);
}
