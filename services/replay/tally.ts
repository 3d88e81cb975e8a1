import type { Verdict } from "./replay.ts";

/** What came of the decisions of one actor. */
export interface Tally {
  readonly actor: string;
  decisions: number;
  identical: number;
  different: number;
  /** Why some could not be made again, and how many. */
  readonly skipped: Map<string, number>;
}

/** How many differences are kept to be shown, of each actor. */
const KEPT_MAX = 100;

export type Difference = Extract<Verdict, { type: "different" }>;

/** Counts verdicts by actor, and keeps the first differences of each. */
export class Tallies {
  readonly #byActor = new Map<string, Tally>();
  readonly #kept = new Map<string, Difference[]>();

  add(verdict: Verdict): void {
    const { actor } = verdict.record;
    const tally = this.of(actor);
    tally.decisions++;
    if (verdict.type === "identical") tally.identical++;
    else if (verdict.type === "skipped") {
      tally.skipped.set(verdict.why, (tally.skipped.get(verdict.why) ?? 0) + 1);
    } else {
      tally.different++;
      const kept = this.#kept.get(actor) ?? [];
      this.#kept.set(actor, kept);
      if (kept.length < KEPT_MAX) kept.push(verdict);
    }
  }

  of(actor: string): Tally {
    let tally = this.#byActor.get(actor);
    if (tally === undefined) {
      tally = { actor, decisions: 0, identical: 0, different: 0, skipped: new Map() };
      this.#byActor.set(actor, tally);
    }
    return tally;
  }

  /** By name. */
  get all(): readonly Tally[] {
    return [...this.#byActor.values()].sort((a, b) => (a.actor < b.actor ? -1 : 1));
  }

  /** The first differences of the actor, in the order of the log. */
  differencesOf(actor: string): readonly Difference[] {
    return this.#kept.get(actor) ?? [];
  }

  get total(): { decisions: number; different: number } {
    const sum = (field: "decisions" | "different") =>
      this.all.reduce((total, tally) => total + tally[field], 0);
    return { decisions: sum("decisions"), different: sum("different") };
  }
}
