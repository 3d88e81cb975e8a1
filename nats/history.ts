import type { History } from "../shared/log/history.ts";
import type { Runtime } from "../shared/runtime/runtime.ts";
import type { Connection } from "./connect.ts";
import { openDecisions } from "./decisions.ts";
import { Log } from "./log.ts";
import { Requests } from "./requests.ts";
import { openStore } from "./store.ts";
import type { LogName } from "./subjects.ts";

/** The records of a decision may come this much later than it was made: commits take time. */
const RECORDED_LATE_MS = 60_000;
/** Clocks of replicas and of the log's server may differ. */
const SKEW_MS = 5_000;

/** The past of a running cluster; closing it closes the connection. */
export async function openHistory(connection: Connection, runtime: Runtime): Promise<History> {
  const requests = new Requests(connection);
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
    async decisions({ from, to, ...who }) {
      const read = await records.read({
        ...who,
        since: from - SKEW_MS,
        until: ({ now }) => now > to + RECORDED_LATE_MS,
      });
      return read.filter(({ now }) => now >= from && now <= to);
    },
    async close() {
      requests.close();
      await Promise.all([cluster, events, leases].map((store) => store.close()));
      await connection.close();
    },
  };
}
