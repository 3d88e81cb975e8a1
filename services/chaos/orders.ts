import { z } from "zod";

const process = z.string().min(1);

/** What chaos asks of the supervisor. Times are milliseconds. */
export const signalOrder = z.discriminatedUnion("type", [
  /** SIGKILL; started again after `downMs`. Answers a `Struck`. */
  z.strictObject({
    type: z.literal("kill"),
    process,
    downMs: z.number().int().min(0).max(3_600_000),
  }),
  /** SIGSTOP, and SIGCONT after `forMs` whatever becomes of who asked. Answers a `Struck`. */
  z.strictObject({
    type: z.literal("pause"),
    process,
    forMs: z.number().int().min(1).max(3_600_000),
  }),
  /** SIGCONT now. Answers whether it was paused. */
  z.strictObject({ type: z.literal("resume"), process }),
]);

export type SignalOrder = z.infer<typeof signalOrder>;

/** Of the answer to the order `status`. */
export interface SupervisedProcess {
  readonly name: string;
  /** Null while it is down. */
  readonly pid: number | null;
  readonly paused: boolean;
  /** How often it ended by itself, and was started again. */
  readonly restarts: number;
}

export interface Struck {
  readonly pid: number;
  /** When, by the supervisor's clock. */
  readonly at: number;
}
