import { DECISION_FORMAT, type DecisionRecord } from "../shared/log/decision.ts";
import type { Connection } from "./connect.ts";
import { Consumer } from "./consumer.ts";
import { Requests } from "./requests.ts";
import { escapeToken } from "./subjects.ts";

export interface DecisionFilter {
  readonly actor?: string;
  /** Only together with `actor`. */
  readonly replica?: string;
  /** Recorded at this moment or later, milliseconds since the Unix epoch. */
  readonly since?: number;
  /** Ends the reading: the first record for which it is true is the last one. */
  readonly until?: (record: DecisionRecord) => boolean;
}

/** The records of all decisions (DESIGN D12), kept for a day. */
export interface Decisions {
  /** Publishes a record; does not wait. While the bus is away a bounded number is kept. */
  append(record: DecisionRecord): void;
  /**
   * The records that are there now, oldest first.
   * @throws Error when a record is of a newer format than this program knows.
   */
  read(filter?: DecisionFilter): Promise<DecisionRecord[]>;
  /** The same, one by one. @throws as `read`, and what `take` throws */
  each(filter: DecisionFilter, take: (record: DecisionRecord) => void): Promise<void>;
}

const KEPT_MAX = 10_000;

export function openDecisions(connection: Connection): Decisions {
  let kept: DecisionRecord[] = [];
  const publish = (record: DecisionRecord): void => {
    const subject = `decisions.${escapeToken(record.actor)}.${escapeToken(record.replica)}`;
    connection.nats.publish(subject, JSON.stringify(record));
  };
  connection.onStatus((connected) => {
    if (!connected) return;
    const records = kept;
    kept = [];
    for (const record of records) publish(record);
  });
  return {
    append(record) {
      if (connection.connected) publish(record);
      else if (kept.length < KEPT_MAX) kept.push(record);
    },
    async read(filter = {}) {
      const records: DecisionRecord[] = [];
      await each(connection, filter, (record) => void records.push(record));
      return records;
    },
    each: (filter, take) => each(connection, filter, take),
  };
}

async function each(
  connection: Connection,
  filter: DecisionFilter,
  take: (record: DecisionRecord) => void,
): Promise<void> {
  const requests = new Requests(connection);
  const actor = filter.actor === undefined ? "*" : escapeToken(filter.actor);
  const replica = filter.replica === undefined ? "*" : escapeToken(filter.replica);
  const from = filter.since === undefined ? 1 : { time: filter.since };
  try {
    return await new Promise((resolve, reject) => {
      let pending = 0;
      const done = (): void => {
        consumer.close();
        resolve();
      };
      const consumer = new Consumer(
        connection,
        requests,
        { stream: "decisions", filter: `decisions.${actor}.${replica}`, from },
        {
          started: (count) => {
            pending = count;
            if (pending === 0) done();
          },
          message: ({ data }) => {
            try {
              const record = decode(data);
              take(record);
              if (filter.until?.(record)) pending = 1;
            } catch (error) {
              consumer.close();
              reject(error);
            }
            pending -= 1;
            if (pending === 0) done();
          },
          lost: reject,
        },
      );
      consumer.start().catch(reject);
    });
  } finally {
    requests.close();
  }
}

function decode(data: Uint8Array): DecisionRecord {
  const record = JSON.parse(Buffer.from(data).toString()) as DecisionRecord;
  if (record.format > DECISION_FORMAT) {
    throw new Error(
      `decision ${record.trace} has format ${record.format}, newer than this program`,
    );
  }
  return record;
}
