import { FutureRevisionError, type Revision, UnavailableError } from "../shared/store/store.ts";
import { Consumer } from "./consumer.ts";
import { headersOf } from "./headers.ts";
import type { CompactionMark, Log } from "./log.ts";
import { stampOf } from "./message.ts";
import { ApiError, type ApiErrorBody } from "./requests.ts";

const WRONG_LAST_SEQUENCE = 10071;
const PURGES_AT_ONCE = 16;
const ANSWER_MS = 10_000;

/** What happened to a subject in the stretch that is compacted. */
interface Stretch {
  last: Revision;
  deleted: boolean;
  /** The last message is the subject's first: nothing below it can be there. */
  fresh: boolean;
}

/**
 * Compacts the log. The mark that makes earlier reads fail is written first, so that no reader
 * takes a log with holes for a whole one; what a compaction that broke off left behind, the next
 * one removes.
 * @throws FutureRevisionError, UnavailableError
 */
export async function compact(log: Log, revision: Revision): Promise<void> {
  const head = await log.head();
  if (revision > head) throw new FutureRevisionError(revision, head);
  const before = await raise(log, { compacted: revision });
  if (before.removed >= revision) return;
  const stretches = await touched(log, before.removed, revision);
  const purges: { subject: string; below: Revision }[] = [];
  for (const [subject, { last, deleted, fresh }] of stretches) {
    if (deleted) purges.push({ subject, below: last + 1 });
    else if (!fresh) purges.push({ subject, below: last });
  }
  for (let start = 0; start < purges.length; start += PURGES_AT_ONCE) {
    const part = purges.slice(start, start + PURGES_AT_ONCE);
    await Promise.all(
      part.map(({ subject, below }) =>
        log.requests.api(`STREAM.PURGE.${log.stream}`, { filter: subject, seq: below }, ANSWER_MS),
      ),
    );
  }
  await raise(log, { removed: revision });
}

/** Raises the mark, never lowers it, whoever else does the same. Returns what it was. */
async function raise(
  log: Log,
  to: { compacted?: Revision; removed?: Revision },
): Promise<CompactionMark> {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const mark = await log.mark();
    const compacted = Math.max(mark.compacted, to.compacted ?? 0);
    const removed = Math.max(mark.removed, to.removed ?? 0);
    if (compacted === mark.compacted && removed === mark.removed) return mark;
    const expected = ["Nats-Expected-Last-Subject-Sequence", String(mark.sequence)] as const;
    const headers = headersOf([expected]);
    const answer = await log.requests.request(
      `compaction.${log.name}`,
      JSON.stringify({ compacted, removed }),
      { timeoutMs: ANSWER_MS, headers },
    );
    const { error } = JSON.parse(Buffer.from(answer.data).toString()) as { error?: ApiErrorBody };
    if (!error) return mark;
    if (error.err_code !== WRONG_LAST_SEQUENCE) throw new ApiError(error);
  }
  throw new UnavailableError("other compactions keep getting in between");
}

/** What the stretch (after, upTo] did to each subject. */
function touched(log: Log, after: Revision, upTo: Revision): Promise<Map<string, Stretch>> {
  return new Promise((resolve, reject) => {
    const stretches = new Map<string, Stretch>();
    const done = (): void => {
      consumer.close();
      resolve(stretches);
    };
    let pending = 0;
    const consumer = new Consumer(
      log.connection,
      log.requests,
      { stream: log.stream, filter: `$KV.${log.name}.>`, from: after + 1, headersOnly: true },
      {
        started: (count) => {
          pending = count;
          if (pending === 0) done();
        },
        message: ({ headers, subject, sequence }) => {
          if (sequence <= upTo) {
            const { deleted, replaced } = stampOf(headers, sequence, subject);
            stretches.set(subject, { last: sequence, deleted, fresh: replaced === 0 });
          }
          pending -= 1;
          if (pending === 0 || sequence >= upTo) done();
        },
        lost: (error) => reject(new UnavailableError("the log cannot be read", { cause: error })),
      },
    );
    consumer.start().catch((error: Error) => {
      reject(new UnavailableError("the log cannot be read", { cause: error }));
    });
  });
}
