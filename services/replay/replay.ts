import type { Plan } from "../../shared/actor/plan.ts";
import type { DecisionRecord } from "../../shared/log/decision.ts";
import type { Runtime } from "../../shared/runtime/runtime.ts";
import { ACTORS, type Actors } from "./actors.ts";
import { Decider } from "./decider.ts";
import type { NodeLoad } from "./load.ts";
import { type Report, Tallies } from "./tally.ts";
import { type Stretch, type Walked, walk } from "./walk.ts";

export interface ReplayOptions extends Stretch {
  readonly runtime: Runtime;
  readonly actors: Actors;
  /** Called for each decision, in the order of the log. */
  readonly told: (verdict: Verdict) => void;
}

/** What came of making a decision again. */
export type Verdict =
  | { readonly type: "identical"; readonly record: DecisionRecord }
  | {
      readonly type: "different";
      readonly record: DecisionRecord;
      readonly again: Decided;
      /** Pods that either plan creates, deletes, asks for or gives up. */
      readonly moved: { readonly recorded: number; readonly again: number };
      /** Where both plans place a pod: what those nodes held. */
      readonly loads?: Loads;
    }
  /** It cannot be made again: `why`. */
  | { readonly type: "skipped"; readonly record: DecisionRecord; readonly why: string };

export interface Loads {
  readonly recorded: NodeLoad;
  readonly again: NodeLoad;
}

/** What an actor decides: a plan, or it throws. */
export type Decided = { readonly plan: Plan } | { readonly threw: string };

/** Replays a stretch, and says what came of it. */
export async function reportOf(options: Omit<ReplayOptions, "told">): Promise<Report> {
  const { from, to, runtime } = options;
  const started = runtime.clock.monotonic();
  const tallies = new Tallies();
  const walked = await replay({ ...options, told: (verdict) => tallies.add(verdict) });
  const tookMs = runtime.clock.monotonic() - started;
  return { from, to, tookMs, ...tallies.with(walked) };
}

/** @throws CompactedError, FutureRevisionError */
export function replay({ runtime, actors, told, ...stretch }: ReplayOptions): Promise<Walked> {
  return walk(stretch, recorded(), new Decider(runtime, actors, told));
}

/** Whether the decisions of an actor of this name are recorded. */
export function recorded(): (actor: string) => boolean {
  const names = ACTORS.controllers({ rootCertificate: "" }).map(({ name }) => name);
  const known = new Set(["scheduler", ...names]);
  return (actor) => known.has(actor);
}
