import type { DecisionRecord } from "../../shared/log/decision.ts";
import { type History, readVersions } from "../../shared/log/history.ts";
import type { Revision, Version } from "../../shared/store/store.ts";
import { type Due, Spool } from "./spool.ts";

export interface Stretch {
  readonly history: History;
  /** Decisions made on a revision from `from` to `to`. */
  readonly from: Revision;
  readonly to: Revision;
  /** Only this actor's. */
  readonly actor?: string;
}

/** Who is walked through a stretch. */
export interface Walker {
  /** The state at its beginning; first. */
  begin(state: Beginning): void;
  version(version: Version): unknown;
  /** When the state is the one that the decision was made on. */
  decision(due: Due): unknown;
  /** Waited for now and then, where it cannot take everything at once. */
  ready?(): Promise<void>;
}

export interface Beginning {
  readonly revision: Revision;
  readonly versions: readonly Version[];
  /** The cluster's CA certificate, PEM, as far as the stretch tells; a setting, not in the log. */
  readonly rootCertificate: string | undefined;
}

export interface Walked {
  readonly revisions: number;
  /** Commits by actors of which no decision is recorded, by actor. */
  readonly unrecorded: ReadonlyMap<string, number>;
}

/** Commits take a moment, and records are written after them. */
const LATE_MS = 10_000;
/** Read at once where the walker may have to be waited for. */
const PIECE = 2_000;

/**
 * Goes through a stretch of the log once, in its order, and through the decisions where they were
 * made. Holds no more of either in memory than a little of each.
 * @param records whether the actor of this name records its decisions
 * @throws CompactedError, FutureRevisionError
 */
export async function walk(
  stretch: Stretch,
  records: (actor: string) => boolean,
  walker: Walker,
): Promise<Walked> {
  const { history, from, to } = stretch;
  const { cluster } = history.logs;
  const { versions } = from === 0 ? { versions: [] } : await cluster.list("", from);
  const spool = new Spool();
  try {
    const { traces, rootCertificate } = await gather(stretch, spool);
    walker.begin({ revision: from, versions, rootCertificate });
    const due = spool.inOrder();
    let next = due.next();
    const decideBelow = (revision: Revision): void => {
      for (; !next.done && next.value.at < revision; next = due.next()) {
        walker.decision(next.value);
      }
    };
    const wanted = (actor: string) =>
      stretch.actor === undefined ? records(actor) : actor === stretch.actor && records(actor);
    const unrecorded = new Map<string, Set<string>>();
    let revisions = 0;
    let inCommit = false;
    const take = (version: Version): void => {
      // What was decided on a version within a commit was decided when all of it could be seen.
      if (!inCommit) decideBelow(version.revision);
      inCommit = version.more;
      walker.version(version);
      revisions++;
      const { actor, trace } = version.headers;
      if (traces.has(trace) || !wanted(actor)) return;
      unrecorded.set(actor, (unrecorded.get(actor) ?? new Set()).add(trace));
    };
    const piece = walker.ready === undefined ? to - from : PIECE;
    for (let after = from; after < to; after += piece) {
      await readVersions(cluster, { after, to: Math.min(after + piece, to) }, take);
      await walker.ready?.();
    }
    decideBelow(to + 1);
    const counts = [...unrecorded].map(([actor, missing]) => [actor, missing.size] as const);
    return { revisions, unrecorded: new Map(counts) };
  } finally {
    spool.close();
  }
}

/** The records of the decisions that were made on a revision of the stretch. */
async function gather({ history, from, to, actor }: Stretch, spool: Spool) {
  const timeOf = async (revision: Revision) => (await history.version(revision))?.time;
  const begin = (await timeOf(from)) ?? (await timeOf(from + 1)) ?? LATE_MS;
  const end = (await timeOf(to + 1)) ?? Number.MAX_SAFE_INTEGER - LATE_MS;
  const traces = new Set<string>();
  let rootCertificate: string | undefined;
  const range = { from: begin - LATE_MS, to: end + LATE_MS, ...(actor && { actor }) };
  await history.eachDecision(range, (record) => {
    traces.add(record.trace);
    const at = revisionOf(record);
    if (at >= from && at <= to) spool.add(record, at);
    rootCertificate ??= publishedBy(record);
  });
  return { traces, rootCertificate };
}

/** The revision of the cluster log that the snapshot of a record shows. */
export function revisionOf({ actor, cause, decidedAt, seen }: DecisionRecord): Revision {
  // A kubelet is told of its own pods alone, each at a revision of its own.
  if (actor === "kubelet" && cause > 0) return cause;
  return seen?.cluster ?? decidedAt;
}

function publishedBy({ actor, plan }: DecisionRecord): string | undefined {
  const [action] = actor === "root-ca" ? plan.actions : [];
  return action && "object" in action ? action.object["data"]?.["ca.crt"] : undefined;
}
