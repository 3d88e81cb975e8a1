import { nuid } from "nats";
import { type Revision, StoreError, type Write, type WriteHeaders } from "../shared/store/store.ts";
import type { Connection } from "./connect.ts";
import type { Log } from "./log.ts";
import { writeHeaders } from "./message.ts";
import { ApiError, type ApiErrorBody, DisconnectedError } from "./requests.ts";
import { subjectOfKey } from "./subjects.ts";
import type { Tails } from "./tails.ts";

/** Writes that the log takes as one. */
export interface Commit {
  readonly writes: readonly Write[];
  readonly headers: WriteHeaders;
  /** Unique: how the log tells whether this commit is in it. */
  readonly commit: string;
}

/** How long a server may take to answer. */
const ANSWER_MS = 5_000;
/** How long a batch is published in a row: whatever else has arrived is served between two. */
const SLICE_MS = 3;
const NOTHING = new Uint8Array();

interface PublishAck {
  readonly seq: Revision;
  readonly error?: ApiErrorBody;
}

/**
 * Publishes the commits once, as one atomic batch when they are several writes.
 * @returns the revision of the first write.
 * @throws what Requests.request throws, and ApiError.
 */
export async function publishTogether(
  log: Log,
  tails: Tails,
  commits: readonly Commit[],
): Promise<Revision> {
  let count = 0;
  for (const { writes } of commits) count += writes.length;
  if (count === 0) throw new StoreError("a commit without writes");
  const batch = count > 1 ? nuid.next() : undefined;
  const slice = new Slice(log.connection);
  let sequence = 0;
  for (const { writes, headers: by, commit } of commits) {
    for (const [index, write] of writes.entries()) {
      sequence += 1;
      const { key, expect } = write;
      const last = sequence === count;
      const headers = writeHeaders(write, by, commit, {
        more: index < writes.length - 1,
        expected: expect === undefined ? undefined : tails.expectedSequence(key, expect),
        batch: batch === undefined ? undefined : { id: batch, sequence, last },
      });
      const subject = subjectOfKey(log.name, key);
      const data = write.value ?? NOTHING;
      if (!last) {
        log.connection.nats.publish(subject, data, { headers });
        if (slice.isOver) await slice.next();
        continue;
      }
      const answer = await log.requests.request(subject, data, { timeoutMs: ANSWER_MS, headers });
      const ack = JSON.parse(Buffer.from(answer.data).toString()) as PublishAck;
      if (ack.error) throw new ApiError(ack.error);
      return ack.seq - count + 1;
    }
  }
  throw new StoreError("unreachable: the last write is answered");
}

/** A stretch of publishing for which nothing else has to wait long. */
class Slice {
  readonly #connection: Connection;
  readonly #server: string | undefined;
  #ends = performance.now() + SLICE_MS;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#server = connection.serverId;
  }

  get isOver(): boolean {
    return performance.now() >= this.#ends;
  }

  /** @throws DisconnectedError: what was published is lost, and what follows would go elsewhere. */
  async next(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    const { connected, serverId } = this.#connection;
    if (!connected || serverId !== this.#server) throw new DisconnectedError();
    this.#ends = performance.now() + SLICE_MS;
  }
}
