/**
 * The fault file: what may go wrong. One language for the simulation (`cox sim --faults`) and for a
 * running cluster (`cox chaos run`); docs/chaos.md explains it to its users.
 */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import { duration, type Range, range, signedRange } from "./duration.ts";
import { EFFECTS } from "./effects.ts";

const probability = z.number().min(0).max(1);
/** A process (`apiserver`: every replica of it; `apiserver-2`: that one), or a pattern with `*`. */
const actor = z.string().min(1).default("*");

/** From the start of the run. */
const when = z.strictObject({ from: duration.default(0), until: duration.optional() }).optional();

/** A fault that lasts: always, or for `for`, and again `every` so long after that. */
const lasting = { when, every: range.optional(), for: range.optional() };
/** A fault that strikes one process after the other. */
const striking = { actor, when, every: range };

/** One or several. */
function list<Schema extends z.ZodType>(schema: Schema) {
  return z
    .preprocess((value) => (Array.isArray(value) ? value : [value]), z.array(schema))
    .optional();
}

/** Sieve's names of its three patterns (OSDI '22), and ours. */
const SIEVE: readonly (readonly [string, string])[] = [
  ["intermediateState", "crash"],
  ["staleState", "lag"],
  ["unobservedState", "unobserved"],
];

/**
 * Times are milliseconds, or durations such as `5s`; ranges are drawn from evenly, both ends
 * included. Everything is optional: what is left out does not happen.
 */
const schema = z.strictObject({
  /** Intermediate state: the process dies at an effect boundary, between two of its effects. */
  crash: z
    .strictObject({
      actor,
      probability,
      downMs: range.default([50, 2_000]),
      /** Only at these boundaries; default: all. */
      between: z.array(z.enum(EFFECTS)).min(1).optional(),
      ...lasting,
    })
    .optional(),
  /** Stale state: the process reads the log so many milliseconds late, redrawn now and then. */
  lag: z
    .strictObject({ actor, probability: probability.default(0.1), ms: range, ...lasting })
    .optional(),
  /** Unobserved state: versions wait for later ones, so that states in between are never seen. */
  unobserved: z.strictObject({ actor, coalesce: probability, ...lasting }).optional(),
  /** Every message takes this long. Messages of one sender to one receiver stay in order. */
  latency: z.strictObject({ actor, ms: range, ...lasting }).optional(),
  /** Messages lost and doubled on the bus, which promises to deliver at most once. */
  loss: z.strictObject({ actor, probability, ...lasting }).optional(),
  duplicate: z.strictObject({ actor, probability, ...lasting }).optional(),
  /** The way between a process and the bus is clogged: what is sent on it waits. */
  clog: z
    .strictObject({ actor, probability, meanMs: duration.refine((ms) => ms > 0), ...lasting })
    .optional(),
  clockSkew: z.strictObject({ actor, ms: signedRange, ...lasting }).optional(),
  /** The log refuses a commit, takes it and never answers, has no room, or is slow to sync. */
  log: z
    .strictObject({
      unavailable: probability.default(0),
      unknownOutcome: probability.default(0),
      /** Every commit is refused while it lasts. */
      diskFull: z.boolean().default(false),
      /** A commit takes so much longer, with the probability. */
      slowSync: z.strictObject({ probability, ms: range }).optional(),
      ...lasting,
    })
    .optional(),
  /** Cuts processes off the bus and the log. */
  partition: list(
    z.strictObject({
      ...striking,
      mode: z.enum(["isolateSingle", "isolateHalf"]).default("isolateSingle"),
      symmetry: z.enum(["symmetric", "asymmetric"]).default("symmetric"),
      /** Off the log, off the other processes, or off both. */
      from: z.enum(["log", "nodes", "all"]).default("all"),
      for: range,
    }),
  ),
  /** Kills a process (SIGKILL); it is started again after `downMs`. */
  kill: list(z.strictObject({ ...striking, downMs: range.default([0, 0]) })),
  /** Stops a process in the middle of what it does (SIGSTOP), and lets it go on after `for`. */
  pause: list(z.strictObject({ ...striking, for: range })),
  /** What `cox chaos run` never goes beyond. */
  limits: z
    .strictObject({
      /** Replicas of an actor that a fault may have in its hands at the same time. */
      perActor: z.number().int().min(1).default(1),
      /** Processes, of all actors. */
      total: z.number().int().min(1).default(3),
      /** Whether the only NATS server may be struck: nothing works until it is back. */
      onlyServer: z.boolean().default(false),
      /** The run ends when no write has been acknowledged for so long. */
      unavailableMs: duration.default(15_000),
    })
    .prefault({}),
});

export type Faults = z.infer<typeof schema>;
export type Lasting = keyof typeof LASTING;
export type Striking = keyof typeof STRIKING;
export type StrikingFault<Kind extends Striking> = NonNullable<Faults[Kind]>[number];

/** The faults that last, and those that strike: everything but the limits. */
export const LASTING = {
  crash: true,
  lag: true,
  unobserved: true,
  latency: true,
  loss: true,
  duplicate: true,
  clog: true,
  clockSkew: true,
  log: true,
} as const;
export const STRIKING = { partition: true, kill: true, pause: true } as const;

/** A fault file that cannot be read; the message names each field. */
export class FaultFileError extends Error {}

/** No faults at all: the liveness phase, and the run that the end state is compared with. */
export const NO_FAULTS: Faults = parseFaults({ latency: { ms: [1, 1] } });

/** What a message takes in the simulation when nothing is said about it, milliseconds. */
const BASE_LATENCY: Range = [0.2, 3];

export function latencyOf({ latency }: Faults, process: string): Range {
  return latency !== undefined && names(latency.actor, process) ? latency.ms : BASE_LATENCY;
}

/**
 * Reads a fault file (YAML).
 * @throws FaultFileError that names the file and the field
 */
export function loadFaults(path: string): Faults {
  try {
    return parseFaults(parse(readFileSync(path, "utf8")) ?? {});
  } catch (error) {
    throw new FaultFileError(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** @throws FaultFileError that names the field. */
export function parseFaults(value: unknown): Faults {
  const result = schema.safeParse(ownNames(value));
  if (!result.success) throw new FaultFileError(z.prettifyError(result.error));
  for (const kind of Object.keys(LASTING) as Lasting[]) {
    const fault = result.data[kind];
    if (fault?.every !== undefined && fault.for === undefined) {
      throw new FaultFileError(`✖ says how often, not how long\n  → at ${kind}.for`);
    }
  }
  return result.data;
}

function ownNames(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const fields: Record<string, unknown> = { ...value };
  for (const [theirs, ours] of SIEVE) {
    if (fields[theirs] === undefined) continue;
    if (fields[ours] !== undefined) {
      throw new FaultFileError(`✖ is the same as ${ours}: give one\n  → at ${theirs}`);
    }
    fields[ours] = fields[theirs];
    delete fields[theirs];
  }
  return fields;
}

/** Does the pattern of a fault name the process? `control` is every replica of it. */
export function names(pattern: string, process: string): boolean {
  if (pattern === "*") return true;
  if (!pattern.includes("*")) {
    return pattern === process || pattern === process.replace(/-\d+$/, "");
  }
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  const matcher = new RegExp(`^${parts.join(".*")}$`);
  // The first replica of `apiserver-*` is called `apiserver` in a running cluster.
  return matcher.test(process) || matcher.test(`${process}-1`);
}
