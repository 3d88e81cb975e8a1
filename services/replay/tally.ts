import type { Plan } from "../../shared/actor/plan.ts";
import type { DecisionRecord } from "../../shared/log/decision.ts";
import type { NodeLoad } from "./load.ts";
import type { Decided, Loads, Verdict } from "./replay.ts";
import type { Walked } from "./walk.ts";

/** What came of a replay; plain data, which one process may tell another. */
export interface Report {
  readonly from: number;
  readonly to: number;
  readonly revisions: number;
  readonly tookMs: number;
  /** By name. */
  readonly actors: readonly ActorReport[];
}

export interface ActorReport {
  readonly actor: string;
  readonly decisions: number;
  readonly identical: number;
  readonly different: number;
  /** Why some could not be made again, and how many. */
  readonly skipped: Readonly<Record<string, number>>;
  /** Commits of the actor whose decision was not recorded. */
  readonly unrecorded: number;
  /** The first ones, in the order of the log. */
  readonly differences: readonly Difference[];
  /** What all differences come to. */
  readonly summary: Summary;
}

export interface Difference {
  readonly record: DecisionRecord;
  readonly again: Decided;
  readonly loads?: Loads;
}

/** Each difference is counted under one of these. */
export interface Summary {
  /** Pods that go to another node, by `from → to`. */
  readonly elsewhere: Readonly<Record<string, number>>;
  /** What the nodes of those pods held, summed up. */
  readonly loads: { readonly recorded: Totals; readonly again: Totals };
  /** Pods that find a node and did not; that find none and did. */
  readonly placed: number;
  readonly unplaced: number;
  /** Decisions that create, delete, ask for or give up more pods at once, or fewer; and pods. */
  readonly faster: number;
  readonly slower: number;
  readonly podsMore: number;
  readonly podsFewer: number;
  /** Decisions that do nothing any more, or fail. */
  readonly nothing: number;
  readonly fails: number;
  /** The rest: the same pace, other fields. */
  readonly otherwise: number;
}

type Totals = { -readonly [Field in keyof NodeLoad]: number };
type Counts<T> = { -readonly [Field in keyof T]: T[Field] extends number ? number : T[Field] };

interface Tally extends Pick<Counts<ActorReport>, "decisions" | "identical" | "different"> {
  unrecorded: number;
  readonly skipped: Record<string, number>;
  readonly differences: Difference[];
  readonly summary: Counts<Summary> & { readonly elsewhere: Record<string, number> };
}

/** How many differences of each actor are kept to be shown. */
const KEPT_MAX = 100;

/** Counts verdicts by actor, and keeps the first differences of each. */
export class Tallies {
  readonly #byActor = new Map<string, Tally>();

  add(verdict: Verdict): void {
    const { record } = verdict;
    const tally = this.#of(record.actor);
    tally.decisions++;
    if (verdict.type === "identical") tally.identical++;
    else if (verdict.type === "skipped") {
      tally.skipped[verdict.why] = (tally.skipped[verdict.why] ?? 0) + 1;
    } else {
      tally.different++;
      const { again, loads } = verdict;
      if (tally.differences.length < KEPT_MAX) {
        tally.differences.push({ record, again, ...(loads && { loads }) });
      }
      count(tally.summary, verdict);
    }
  }

  /** Everything, with what the walk itself has found. */
  with({ revisions, unrecorded }: Walked): Pick<Report, "revisions" | "actors"> {
    for (const [actor, commits] of unrecorded) this.#of(actor).unrecorded += commits;
    return { revisions, actors: this.#actors };
  }

  get #actors(): readonly ActorReport[] {
    const all = [...this.#byActor].map(([actor, tally]): ActorReport => ({ actor, ...tally }));
    return all.sort((a, b) => (a.actor < b.actor ? -1 : 1));
  }

  #of(actor: string): Tally {
    let tally = this.#byActor.get(actor);
    if (tally === undefined) {
      const counts = { decisions: 0, identical: 0, different: 0, unrecorded: 0 };
      tally = { ...counts, skipped: {}, differences: [], summary: emptySummary() };
      this.#byActor.set(actor, tally);
    }
    return tally;
  }
}

function emptySummary(): Tally["summary"] {
  return {
    elsewhere: {},
    loads: { recorded: { pods: 0, cpu: 0, memory: 0 }, again: { pods: 0, cpu: 0, memory: 0 } },
    placed: 0,
    unplaced: 0,
    faster: 0,
    slower: 0,
    podsMore: 0,
    podsFewer: 0,
    nothing: 0,
    fails: 0,
    otherwise: 0,
  };
}

function count(
  summary: Tally["summary"],
  { record, again, moved, loads }: Extract<Verdict, { type: "different" }>,
): void {
  if ("threw" in again) {
    summary.fails++;
    return;
  }
  const [from, to] = [nodeOf(record.plan), nodeOf(again.plan)];
  const pods = moved.again - moved.recorded;
  if (from !== undefined && to !== undefined && from !== to) {
    const way = `${from} → ${to}`;
    summary.elsewhere[way] = (summary.elsewhere[way] ?? 0) + 1;
    if (loads !== undefined) {
      addTo(summary.loads.recorded, loads.recorded);
      addTo(summary.loads.again, loads.again);
    }
  } else if (from === undefined && to !== undefined) summary.placed++;
  else if (from !== undefined && to === undefined) summary.unplaced++;
  else if (isNothing(again.plan)) summary.nothing++;
  else if (pods > 0) {
    summary.faster++;
    summary.podsMore += pods;
  } else if (pods < 0) {
    summary.slower++;
    summary.podsFewer -= pods;
  } else summary.otherwise++;
}

function addTo(totals: Totals, load: NodeLoad): void {
  totals.pods += load.pods;
  totals.cpu += load.cpu;
  totals.memory += load.memory;
}

/** Where a plan of the scheduler puts its pod. */
export function nodeOf({ actions: [action] }: Plan): string | undefined {
  return action?.op === "bind" ? action.node : undefined;
}

function isNothing({ actions, effects = [] }: Plan): boolean {
  return actions.length === 0 && effects.length === 0;
}
