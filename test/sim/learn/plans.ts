import type { Key, Revision } from "../../../shared/store/store.ts";
import type { RecordedCommit } from "./record.ts";

/** Sieve's patterns (OSDI '22). */
export type Pattern = "intermediate state" | "stale state" | "unobserved state";

/** One thing that goes wrong once, at a certain moment of a run that goes well until then. */
export interface LearntPlan {
  readonly pattern: Pattern;
  /** Whose decisions it puts to the test. */
  readonly actor: string;
  readonly process: string;
  /** What the actor was about to do, or had done, or was told of. */
  readonly about: string;
  readonly key: Key;
  readonly fault: LearntFault;
}

export type LearntFault =
  /** The process dies when the log has taken the revision, and comes back a second later. */
  | { readonly type: "crash"; readonly revision: Revision }
  /** The same, and it comes back to a view of the log that ends at `view`, for a while. */
  | {
      readonly type: "restart on a stale view";
      readonly revision: Revision;
      readonly view: Revision;
    }
  /** The process is cut off; its plan arrives when the user has done something else meanwhile. */
  | { readonly type: "late plan"; readonly trace: string }
  /** No apiserver sees the revision, nor what comes after it, for a while. */
  | { readonly type: "stale apiservers"; readonly revision: Revision }
  /** The process sees the revision only together with the next one of the same key. */
  | { readonly type: "unobserved"; readonly revision: Revision; readonly key: Key };

/**
 * The plans that matter for an undisturbed run: for each actor a crash after each of its writes, a
 * stale view of what it decided on, and each state that woke it unobserved. Of those alike in
 * actor, kind of decision, kind of object and changed fields only the first `each` are kept, as
 * Sieve prunes its plans.
 */
export function learnPlans(
  commits: readonly RecordedCommit[],
  { each = 1, actors }: { readonly each?: number; readonly actors?: readonly string[] } = {},
): LearntPlan[] {
  const byRevision = new Map<Revision, RecordedCommit>();
  for (const commit of commits) {
    for (let revision = commit.first; revision <= commit.last; revision++) {
      byRevision.set(revision, commit);
    }
  }
  const seen = new Map<string, number>();
  // What the cluster is prepared with has no trace.
  const own = commits.filter(({ trace }) => trace !== "");
  const all = own.flatMap((commit) => plansOf(commit, byRevision));
  return all.filter((plan) => {
    if (actors !== undefined && !actors.includes(plan.actor)) return false;
    const id = [plan.pattern, plan.fault.type, plan.actor, plan.about].join("|");
    const count = seen.get(id) ?? 0;
    seen.set(id, count + 1);
    return count < each;
  });
}

function plansOf(
  commit: RecordedCommit,
  byRevision: ReadonlyMap<Revision, RecordedCommit>,
): LearntPlan[] {
  const { actor, process, apiserver, last, first, writes, decision, trace, cause } = commit;
  const about = aboutOf(commit);
  const key = decision?.key ?? writes[0]?.key ?? "";
  const own = { actor, process, about, key };
  const server = { actor: "apiserver", process: apiserver, about: `${about} for ${actor}`, key };
  const crash = {
    pattern: "intermediate state",
    fault: { type: "crash", revision: last },
  } as const;
  const plans: LearntPlan[] = [{ ...server, ...crash }];
  if (actor === "user") {
    const fault = { type: "stale apiservers", revision: first } as const;
    return [...plans, { ...server, pattern: "stale state", fault }];
  }
  if (/^(?:control|node)-/.test(process)) plans.push({ ...own, ...crash });
  if (!process.startsWith("control-")) return plans;
  const stale = { ...own, pattern: "stale state" } as const;
  const view = (cause || (decision?.decidedAt ?? last)) - 1;
  plans.push({ ...stale, fault: { type: "restart on a stale view", revision: last, view } });
  plans.push({ ...stale, fault: { type: "late plan", trace } });
  const woken = byRevision.get(cause)?.writes[cause - (byRevision.get(cause)?.first ?? 0)];
  if (woken !== undefined) {
    const fault = { type: "unobserved", revision: cause, key: woken.key } as const;
    const about = woken.kind;
    plans.push({ ...own, about, key: woken.key, pattern: "unobserved state", fault });
  }
  return plans;
}

/** What a commit does, without how many. */
function aboutOf({ writes }: RecordedCommit): string {
  return [...new Set(writes.map(({ kind }) => kind))].join(", ");
}
