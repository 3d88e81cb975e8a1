/**
 * Every recorded decision made again, in one pass over the log: the projection is moved forward
 * revision by revision, and each decision is made when it stands where the decision was made.
 */
import type { Plan } from "../../shared/actor/plan.ts";
import type { DecisionRecord } from "../../shared/log/decision.ts";
import { type History, readVersions } from "../../shared/log/history.ts";
import type { Runtime } from "../../shared/runtime/runtime.ts";
import { Projection } from "../../shared/store/projection.ts";
import type { Revision, Version, WatchHandler } from "../../shared/store/store.ts";
import type { View } from "../../shared/store/view.ts";
import type { Actors } from "./actors.ts";
import { Again } from "./again.ts";
import { samePlan } from "./compare.ts";
import { podsMoved } from "./pace.ts";
import { type Report, Tallies } from "./tally.ts";

export interface ReplayOptions {
  readonly history: History;
  readonly runtime: Runtime;
  /** Decisions made on a revision from `from` to `to` are made again. */
  readonly from: Revision;
  readonly to: Revision;
  /** Only this actor's. */
  readonly actor?: string;
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
    }
  /** It cannot be made again: `why`. */
  | { readonly type: "skipped"; readonly record: DecisionRecord; readonly why: string };

/** What an actor decides: a plan, or it throws. */
export type Decided = { readonly plan: Plan } | { readonly threw: string };

/** Replays a stretch, and says what came of it. */
export async function reportOf(options: Omit<ReplayOptions, "told">): Promise<Report> {
  const { from, to, runtime } = options;
  const started = runtime.clock.monotonic();
  const tallies = new Tallies();
  const told = (verdict: Verdict): void => tallies.add(verdict);
  const { revisions, unrecorded } = await replay({ ...options, told });
  for (const [actor, commits] of unrecorded) tallies.unrecorded(actor, commits);
  const tookMs = runtime.clock.monotonic() - started;
  return { from, to, revisions, tookMs, actors: tallies.actors };
}

export interface Replayed {
  readonly revisions: number;
  /** Commits by actors whose decision was not recorded, by actor. */
  readonly unrecorded: ReadonlyMap<string, number>;
}

/** Commits take a moment, and records are written after them. */
const LATE_MS = 10_000;
/** Decoded once, looked at by many decisions. */
const DECODED_BYTES = 256 * 1024 * 1024;

/** @throws CompactedError, FutureRevisionError */
export async function replay(options: ReplayOptions): Promise<Replayed> {
  const { history, from, to, runtime } = options;
  const { cluster } = history.logs;
  const { versions } = from === 0 ? { versions: [] } : await cluster.list("", from);
  const records = await recordsBetween(history, from, to);
  const forward = new Forward(runtime, versions, from);
  const again = new Again(forward.projection, options.actors, records);
  const due = records
    .filter((record) => options.actor === undefined || record.actor === options.actor)
    .map((record) => ({ record, at: revisionOf(record) }))
    .filter(({ at }) => at >= from && at <= to)
    // Stable: the records of a revision stay in the order in which they were written.
    .sort((a, b) => a.at - b.at);
  let next = 0;
  const decideBelow = (revision: Revision): void => {
    for (; next < due.length; next++) {
      const { record, at } = due[next] as (typeof due)[number];
      if (at >= revision) return;
      options.told(verdictOf(record, again.decide(record, at), forward.projection));
    }
  };
  const traces = new Set(records.map(({ trace }) => trace));
  const unrecorded = new Map<string, Set<string>>();
  let revisions = 0;
  let inCommit = false;
  await readVersions(cluster, { after: from, to }, (version) => {
    // What was decided on a version within a commit was decided when all of it could be seen.
    if (!inCommit) decideBelow(version.revision);
    inCommit = version.more;
    forward.take(version);
    revisions++;
    const { actor, trace } = version.headers;
    if (traces.has(trace) || !again.knows(actor)) return;
    if (options.actor !== undefined && options.actor !== actor) return;
    unrecorded.set(actor, (unrecorded.get(actor) ?? new Set()).add(trace));
  });
  decideBelow(to + 1);
  const counts = [...unrecorded].map(([actor, missing]) => [actor, missing.size] as const);
  return { revisions, unrecorded: new Map(counts) };
}

/** The revision of the cluster log that the snapshot of a record shows. */
export function revisionOf({ actor, cause, decidedAt, seen }: DecisionRecord): Revision {
  // A kubelet is told of its own pods alone, each at a revision of its own.
  if (actor === "kubelet" && cause > 0) return cause;
  return seen?.cluster ?? decidedAt;
}

function verdictOf(
  record: DecisionRecord,
  decided: Decided | { skipped: string },
  before: View,
): Verdict {
  if ("skipped" in decided) return { type: "skipped", record, why: decided.skipped };
  if (isSame(record, decided)) return { type: "identical", record };
  const moved = {
    recorded: podsMoved(record.plan, before),
    again: "plan" in decided ? podsMoved(decided.plan, before) : 0,
  };
  return { type: "different", record, again: decided, moved };
}

function isSame(record: DecisionRecord, decided: Decided): boolean {
  if ("plan" in decided) return samePlan(record.plan, decided.plan);
  return record.outcome === "failed" && record.message === decided.threw;
}

/** The records of the decisions that may have been made on a revision of the stretch. */
export async function recordsBetween(
  history: History,
  from: Revision,
  to: Revision,
): Promise<DecisionRecord[]> {
  const timeOf = async (revision: Revision) => (await history.version(revision))?.time;
  const begin = (await timeOf(from)) ?? (await timeOf(from + 1)) ?? LATE_MS;
  const end = (await timeOf(to + 1)) ?? Number.MAX_SAFE_INTEGER - LATE_MS;
  return history.decisions({ from: begin - LATE_MS, to: end + LATE_MS });
}

/** A projection that is moved by hand. */
class Forward {
  readonly projection: Projection;
  #handler: WatchHandler | undefined;

  constructor(runtime: Runtime, versions: readonly Version[], revision: Revision) {
    // Nobody but the actors of this program looks at it, so nothing need be frozen.
    const quick = { windowChanges: 0, freeze: false, decodedBytes: DECODED_BYTES };
    this.projection = new Projection({ runtime, lean: true, ...quick });
    void this.projection.follow({
      watch: (_prefix, _from, handler) => {
        this.#handler = handler;
        return { stop: () => undefined };
      },
    });
    const ascending = [...versions].sort((a, b) => a.revision - b.revision);
    for (const version of ascending) this.take({ ...version, more: false });
    this.#handler?.caughtUp?.(revision);
  }

  take(version: Version): void {
    this.#handler?.version(version);
  }
}
