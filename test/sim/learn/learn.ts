import { endState, unhealthyLines } from "../end-state.ts";
import { LIVENESS_MS_MAX, type Mistake, SimulatedRun } from "../run.ts";
import { difference } from "../simulate.ts";
import { WatchChecker } from "../watchers.ts";
import type { Operation } from "../workload.ts";
import { type LearntPlan, learnPlans } from "./plans.ts";
import { type RecordedCommit, Recorder } from "./record.ts";
import { Sabotage } from "./sabotage.ts";

export interface LearnOptions {
  readonly operations: readonly Operation[];
  readonly seed?: number;
  /** Plans of the same kind that are run. */
  readonly each?: number;
  /** Only plans for these; default: all. */
  readonly actors?: readonly string[];
  readonly mistake?: () => Mistake;
}

/** What came of one plan. */
export interface PlanResult {
  readonly plan: LearntPlan;
  /** Broken invariants. */
  readonly violations: readonly string[];
  /** How the state at the end differs from that of the undisturbed run. */
  readonly state: readonly string[];
  /** Keys that were created or deleted more often or less often than in the undisturbed run. */
  readonly counts: readonly string[];
}

const REPLICAS = 2;
const WORKLOAD_MS_MAX = 900_000;
const QUIET_MS = 10_000;
/** Nothing has been written for so long. */
const SETTLED_MS = 2_000;
const SETTLED_MS_MAX = 60_000;
const POLL_MS = 500;

interface Outcome {
  readonly commits: readonly RecordedCommit[];
  readonly end: readonly string[];
  readonly violations: readonly string[];
  readonly happened: boolean;
}

/** The undisturbed run: what is learnt from it, and what every other run is compared with. */
export interface Lesson {
  readonly plans: readonly LearntPlan[];
  readonly commits: number;
  /** What is wrong without any fault. */
  readonly violations: readonly string[];
  run(plan: LearntPlan): Promise<PlanResult>;
}

/** Runs the workload undisturbed, and derives the plans that matter. */
export async function learn(options: LearnOptions): Promise<Lesson> {
  const calm = await carryOut(options);
  const counts = countsOf(calm.commits);
  return {
    plans: learnPlans(calm.commits, options),
    commits: calm.commits.length,
    violations: [...calm.violations, ...unhealthyLines(calm.end)],
    run: async (plan) => {
      const { end, violations, commits, happened } = await carryOut(options, plan);
      const never = happened ? [] : ["the moment of the fault did not come"];
      return {
        plan,
        violations: [...violations, ...never],
        state: difference(calm.end, end),
        // Operations that overlap may lead to other pods in between.
        counts:
          plan.fault.type === "stale apiservers" ? [] : compareCounts(counts, countsOf(commits)),
      };
    },
  };
}

async function carryOut(
  { seed = 1, operations, mistake }: LearnOptions,
  plan?: LearntPlan,
): Promise<Outcome> {
  let recorder: Recorder | undefined;
  const run = new SimulatedRun({
    seed,
    replicas: REPLICAS,
    mistake: mistake?.(),
    onDecision: (record) => recorder?.decided(record),
  });
  recorder = new Recorder(run);
  const sabotage = plan === undefined ? undefined : new Sabotage(run, plan);
  const { user, simulator, observer } = run;
  user.guarded = false;
  user.settled = () => untilSettled(run, sabotage);
  await run.start();
  const watches = ["pods", "deployments.apps"].map(
    (resource) => new WatchChecker(run.client(`watcher-${resource}`), resource, observer),
  );
  void user.run(operations);
  const finished = await simulator.runUntil(() => user.finished, WORKLOAD_MS_MAX);
  const quiet = await run.quietFor(QUIET_MS, LIVENESS_MS_MAX);
  return {
    commits: recorder.finish(),
    end: endState(observer.state),
    violations: [
      ...run.violations,
      ...(finished ? [] : ["the user's operations do not come to an end"]),
      ...(quiet ? [] : ["writes go on"]),
      ...watches.flatMap((watch) => watch.finish()),
    ],
    happened: sabotage?.happened ?? true,
  };
}

/** An operation is over when what it asks for has come true, and nothing is written any more. */
async function untilSettled(run: SimulatedRun, sabotage: Sabotage | undefined): Promise<void> {
  const { simulator, observer } = run;
  const end = simulator.nowMs + SETTLED_MS_MAX;
  for (let quietMs = 0; simulator.nowMs < end; ) {
    const { revision } = observer;
    await simulator.timers.sleep(POLL_MS);
    if (sabotage?.hurries) return;
    quietMs = observer.revision === revision && !sabotage?.lasts ? quietMs + POLL_MS : 0;
    if (quietMs >= SETTLED_MS && unhealthyLines(endState(observer.state)).length === 0) return;
  }
}

type Counts = ReadonlyMap<string, { readonly created: number; readonly deleted: number }>;

function countsOf(commits: readonly RecordedCommit[]): Counts {
  const counts = new Map<string, { created: number; deleted: number }>();
  for (const { family, verb } of commits.flatMap(({ writes }) => writes)) {
    if (verb === "changed") continue;
    const count = counts.get(family) ?? { created: 0, deleted: 0 };
    count[verb] += 1;
    counts.set(family, count);
  }
  return counts;
}

function compareCounts(calm: Counts, disturbed: Counts): string[] {
  const none = { created: 0, deleted: 0 };
  return [...new Set([...calm.keys(), ...disturbed.keys()])].sort().flatMap((family) => {
    const before = calm.get(family) ?? none;
    const after = disturbed.get(family) ?? none;
    return (["created", "deleted"] as const).flatMap((verb) =>
      before[verb] === after[verb]
        ? []
        : [`${family}: ${verb} ${after[verb]} times, undisturbed ${before[verb]}`],
    );
  });
}
