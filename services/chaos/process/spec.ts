import { z } from "zod";
import { range } from "../../../shared/faults/duration.ts";
import { EFFECTS } from "../../../shared/faults/effects.ts";

const probability = z.number().min(0).max(1);

/** What can be done to a process from inside: the `fault` of a fault order. */
export const faultSpec = z.discriminatedUnion("kind", [
  /** Off the log, off the other processes, or both; in one direction or in both. */
  z.strictObject({
    kind: z.literal("partition"),
    from: z.enum(["log", "nodes", "all"]).default("all"),
    send: z.boolean().default(true),
    receive: z.boolean().default(true),
  }),
  /** What it sends takes longer. */
  z.strictObject({ kind: z.literal("slow"), ms: range }),
  /** It reads the log late. */
  z.strictObject({ kind: z.literal("lag"), ms: range, probability: probability.default(1) }),
  z.strictObject({ kind: z.literal("unobserved"), coalesce: probability }),
  /** What it sends is lost, or arrives twice. */
  z.strictObject({ kind: z.literal("drop"), probability }),
  z.strictObject({ kind: z.literal("duplicate"), probability }),
  z.strictObject({ kind: z.literal("clog"), probability, meanMs: z.number().positive() }),
  /** It kills itself at an effect boundary. */
  z.strictObject({
    kind: z.literal("crash"),
    probability,
    between: z.array(z.enum(EFFECTS)).min(1).optional(),
  }),
  /** Its wall clock is so many milliseconds off. */
  z.strictObject({ kind: z.literal("skew"), ms: z.number() }),
  /** What the log does with its commits. */
  z.strictObject({
    kind: z.literal("log"),
    unavailable: probability.default(0),
    unknownOutcome: probability.default(0),
    diskFull: z.boolean().default(false),
    slowSync: z.strictObject({ probability, ms: range }).optional(),
  }),
]);

export type FaultSpec = z.infer<typeof faultSpec>;
export type FaultKind = FaultSpec["kind"];
export type SpecOf<Kind extends FaultKind> = Extract<FaultSpec, { kind: Kind }>;
