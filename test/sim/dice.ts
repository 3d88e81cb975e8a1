import { seededRandom } from "../../shared/runtime/random.ts";
import type { RandomStream } from "../../shared/runtime/runtime.ts";
import type { SeededRuntime } from "../../shared/runtime/seeded.ts";

/** A fault that has happened. */
export interface Incident {
  /** As in a fault file: `crash`, `loss`. */
  readonly fault: string;
  /** Which process it struck, or whose message. */
  readonly site: string;
  /** It happened when this had been possible there so many times before. */
  readonly occurrence: number;
  /** What else was drawn for it follows from this number. */
  readonly draw: number;
  /** When, virtual milliseconds. */
  readonly atMs: number;
}

/** What makes an incident happen again. */
export type ScriptedIncident = Omit<Incident, "atMs">;

/**
 * Decides whether a fault happens each time that it could: by chance, or as a script says. It keeps
 * what has happened, which is a script for the same run again, and with parts left out for a run
 * that differs in these alone. A draw for a fault never moves the randomness of anything else.
 */
export class Dice {
  readonly incidents: Incident[] = [];
  readonly #simulator: SeededRuntime;
  readonly #random: RandomStream;
  readonly #counts = new Map<string, Map<string, number>>();
  readonly #script: ReadonlyMap<string, number> | undefined;

  constructor(simulator: SeededRuntime, script?: readonly ScriptedIncident[]) {
    this.#simulator = simulator;
    this.#random = simulator.random.stream("dice");
    this.#script =
      script &&
      new Map(
        script.map(({ fault, site, occurrence, draw }) => [idOf(fault, site, occurrence), draw]),
      );
  }

  /** Undefined: it does not happen. Else the randomness that its details are drawn from. */
  roll(fault: string, site: string, probability: number): RandomStream | undefined {
    const occurrence = this.#count(fault, site);
    const draw = this.#draw(fault, site, occurrence, probability);
    if (draw === undefined) return undefined;
    this.incidents.push({ fault, site, occurrence, draw, atMs: this.#simulator.nowMs });
    return seededRandom(draw).stream(fault);
  }

  #draw(fault: string, site: string, occurrence: number, probability: number): number | undefined {
    if (this.#script !== undefined) return this.#script.get(idOf(fault, site, occurrence));
    return this.#random.next() < probability ? this.#random.integer(2 ** 32) : undefined;
  }

  #count(fault: string, site: string): number {
    let counts = this.#counts.get(fault);
    if (counts === undefined) {
      counts = new Map();
      this.#counts.set(fault, counts);
    }
    const count = counts.get(site) ?? 0;
    counts.set(site, count + 1);
    return count;
  }
}

function idOf(fault: string, site: string, occurrence: number): string {
  return `${fault} ${site} ${occurrence}`;
}
