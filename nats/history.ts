import type { DecisionRecord } from "../shared/log/decision.ts";
import type { DecisionRange, History } from "../shared/log/history.ts";
import type { Runtime } from "../shared/runtime/runtime.ts";
import type { Key, Version } from "../shared/store/store.ts";
import type { Connection } from "./connect.ts";
import { Consumer } from "./consumer.ts";
import { type Decisions, openDecisions } from "./decisions.ts";
import { Log } from "./log.ts";
import { versionOf } from "./message.ts";
import { ApiError, Requests } from "./requests.ts";
import { openStore } from "./store.ts";
import { type LogName, streamOf, subjectOfKey } from "./subjects.ts";

/** The records of a decision may come this much later than it was made: commits take time. */
const RECORDED_LATE_MS = 5_000;
/** Clocks of replicas and of the log's server may differ. */
const SKEW_MS = 1_000;

/**
 * The past of a running cluster; closing it closes the connection.
 * @throws Error when the server has none, or the user may not read it
 */
export async function openHistory(connection: Connection, runtime: Runtime): Promise<History> {
  const requests = new Requests(connection);
  await checkIsCluster(requests);
  const open = (name: LogName) =>
    openStore(connection, runtime, { name, readOnly: true, durability: "strict" });
  const [cluster, events, leases] = await Promise.all([
    open("cluster"),
    open("events"),
    open("leases"),
  ]);
  const log = new Log("cluster", connection, requests);
  const records = openDecisions(connection);
  return {
    logs: { cluster, events, leases },
    version: (revision) => log.versionAt(revision),
    versionsOf: (key) => versionsOf(log, key),
    async decisions(range) {
      const found: DecisionRecord[] = [];
      await eachBetween(records, range, (record) => void found.push(record));
      return found;
    },
    eachDecision: (range, take) => eachBetween(records, range, take),
    async close() {
      requests.close();
      await Promise.all([cluster, events, leases].map((store) => store.close()));
      await connection.close();
    },
  };
}

function eachBetween(
  records: Decisions,
  { from, to, ...who }: DecisionRange,
  take: (record: DecisionRecord) => void,
): Promise<void> {
  const until = ({ now }: DecisionRecord) => now > to + RECORDED_LATE_MS;
  return records.each({ ...who, since: from - SKEW_MS, until }, (record) => {
    if (record.now >= from && record.now <= to) take(record);
  });
}

/** Others wait for a log that is about to be made; the past is there or it is not. */
async function checkIsCluster(requests: Requests): Promise<void> {
  try {
    await requests.api(`STREAM.INFO.${streamOf("cluster")}`, undefined);
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 404) throw error;
    throw new Error("this server has no log of a cluster", { cause: error });
  }
}

/** The messages of one subject, which is cheap however long the log is. */
function versionsOf(log: Log, key: Key): Promise<Version[]> {
  const { connection, requests, stream, name } = log;
  const versions: Version[] = [];
  return new Promise((resolve, reject) => {
    let pending = 0;
    const endAt = (left: number): void => {
      if (left > 0) return;
      consumer.close();
      resolve(versions);
    };
    const consumer = new Consumer(
      connection,
      requests,
      { stream, filter: subjectOfKey(name, key), from: 1 },
      {
        started: (count) => {
          pending = count;
          endAt(pending);
        },
        message: ({ subject, data, headers, sequence, time }) => {
          const version = versionOf(subject, data, headers, { sequence, time });
          if (version !== undefined) versions.push(version);
          pending -= 1;
          endAt(pending);
        },
        lost: reject,
      },
    );
    consumer.start().catch(reject);
  });
}
