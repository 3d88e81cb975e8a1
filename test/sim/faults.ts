import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";

const probability = z.number().min(0).max(1);
const range = z.tuple([z.number(), z.number()]);
/** A process name, or a pattern with `*`: `apiserver-*`. */
const actor = z.string().default("*");

/**
 * What may go wrong. All times are virtual milliseconds; ranges are drawn from evenly, both ends
 * included. Everything is optional: what is left out does not happen.
 */
const schema = z.strictObject({
  /** Kills the process at an effect boundary with this probability, and restarts it later. */
  crash: z
    .strictObject({
      actor,
      probability,
      downMs: range.default([50, 2_000]),
      /** Only at these boundaries; default: all. */
      between: z.array(z.enum(["send", "receive", "commit", "timer", "version"])).optional(),
    })
    .optional(),
  /** Stale state: the process reads the log so many milliseconds late, redrawn now and then. */
  lag: z.strictObject({ actor, probability: probability.default(0.1), ms: range }).optional(),
  /** Unobserved state: versions wait for later ones, so that states in between are never seen. */
  unobserved: z.strictObject({ actor, coalesce: probability }).optional(),
  /** Every message takes this long. Messages of one sender to one receiver stay in order. */
  latency: z.strictObject({ ms: range }).default({ ms: [0.2, 3] }),
  /** Messages lost and doubled on the bus, which promises to deliver at most once. */
  loss: z.strictObject({ probability }).optional(),
  duplicate: z.strictObject({ probability }).optional(),
  /** Cuts one process off the bus and the log. */
  partition: z
    .strictObject({
      actor,
      mode: z.enum(["isolateSingle", "isolateHalf"]).default("isolateSingle"),
      symmetry: z.enum(["symmetric", "asymmetric"]).default("symmetric"),
      everyMs: range,
      stabilityMs: range,
    })
    .optional(),
  /** The way between a process and the bus is clogged: what is sent on it waits. */
  clog: z.strictObject({ actor, probability, meanMs: z.number().positive() }).optional(),
  clockSkew: z.strictObject({ actor, ms: range }).optional(),
  /** The log refuses a commit, or takes it and never answers. */
  log: z
    .strictObject({ unavailable: probability.default(0), unknownOutcome: probability.default(0) })
    .optional(),
});

export type Faults = z.infer<typeof schema>;

/** No faults at all: the liveness phase, and the run that the end state is compared with. */
export const NO_FAULTS: Faults = schema.parse({ latency: { ms: [1, 1] } });

/** Reads a fault file (YAML). */
export function loadFaults(path: string): Faults {
  return parseFaults(parse(readFileSync(path, "utf8")));
}

/** @throws ZodError that names the field. */
export function parseFaults(value: unknown): Faults {
  return schema.parse(value);
}

/** Does the pattern of a fault name the process? */
export function names(pattern: string, process: string): boolean {
  if (pattern === "*") return true;
  if (pattern.endsWith("*")) return process.startsWith(pattern.slice(0, -1));
  return pattern === process;
}
