import { z } from "zod";
import type { Revision } from "../shared/store/store.ts";
import type { Connection } from "./connect.ts";
import { type LogName, streamOf } from "./subjects.ts";

const infoSchema = z.object({ state: z.object({ last_seq: z.number() }) });
const ANSWER_MS = 2_000;

/**
 * How far each log is, as its server says: no barrier, but good enough to see who lags behind.
 * A log that cannot be asked is left out.
 */
export async function logHeads({ nats }: Connection): Promise<Partial<Record<LogName, Revision>>> {
  const names: readonly LogName[] = ["cluster", "events", "leases"];
  const asked = names.map(async (log) => {
    const subject = `$JS.API.STREAM.INFO.${streamOf(log)}`;
    const answer = await nats.request(subject, "", { timeout: ANSWER_MS });
    return [log, infoSchema.parse(answer.json()).state.last_seq] as const;
  });
  const answers = await Promise.allSettled(asked);
  return Object.fromEntries(
    answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : [])),
  );
}
