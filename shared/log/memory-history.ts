import type { Version } from "../store/store.ts";
import type { DecisionRecord } from "./decision.ts";
import type { DecisionRange, History } from "./history.ts";

/** A history that is in memory: of a file, or of a simulated cluster. */
export function historyInMemory(of: {
  readonly logs: History["logs"];
  /** Of the cluster log; may grow. */
  readonly versions: readonly Version[];
  readonly decisions: readonly DecisionRecord[];
}): History {
  const { logs, versions, decisions } = of;
  const byRevision = new Map<number, Version>();
  const index = () => {
    for (const version of versions.slice(byRevision.size))
      byRevision.set(version.revision, version);
    return byRevision;
  };
  return {
    logs,
    version: async (revision) => index().get(revision),
    versionsOf: async (key) => versions.filter((version) => version.key === key),
    decisions: async (range) => decisions.filter((record) => isWithin(record, range)),
    eachDecision: async (range, take) => {
      for (const record of decisions) if (isWithin(record, range)) take(record);
    },
    close: async () => undefined,
  };
}

function isWithin(record: DecisionRecord, { actor, replica, from, to }: DecisionRange): boolean {
  return (
    record.now >= from &&
    record.now <= to &&
    (actor === undefined || record.actor === actor) &&
    (replica === undefined || record.replica === replica)
  );
}
