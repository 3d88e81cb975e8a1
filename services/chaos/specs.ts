import type { Range } from "../../shared/faults/duration.ts";
import { type Faults, LASTING, type Lasting } from "../../shared/faults/language.ts";
import { matches, type Target } from "./operator.ts";
import type { FaultSpec } from "./process/spec.ts";

type Draw = (range: Range) => number;
type Translations = {
  readonly [Kind in Lasting]: (fault: NonNullable<Faults[Kind]>, draw: Draw) => FaultSpec;
};

/** What a fault that lasts is inside a process. */
const TRANSLATIONS: Translations = {
  crash: ({ probability, between }) => ({
    kind: "crash",
    probability,
    ...(between && { between }),
  }),
  lag: ({ ms, probability }) => ({ kind: "lag", ms, probability }),
  unobserved: ({ coalesce }) => ({ kind: "unobserved", coalesce }),
  latency: ({ ms }) => ({ kind: "slow", ms }),
  loss: ({ probability }) => ({ kind: "drop", probability }),
  duplicate: ({ probability }) => ({ kind: "duplicate", probability }),
  clog: ({ probability, meanMs }) => ({ kind: "clog", probability, meanMs }),
  clockSkew: ({ ms }, draw) => ({ kind: "skew", ms: draw(ms) }),
  log: ({ unavailable, unknownOutcome, diskFull, slowSync }) => ({
    kind: "log",
    unavailable,
    unknownOutcome,
    diskFull,
    ...(slowSync && { slowSync }),
  }),
};

/** The lasting faults of a file that are meant for a process. */
export function specsFor(faults: Faults, target: Target, draw: Draw): [Lasting, FaultSpec][] {
  return (Object.keys(LASTING) as Lasting[]).flatMap((kind): [Lasting, FaultSpec][] => {
    const fault = faults[kind];
    if (fault === undefined) return [];
    // Only apiservers write the log.
    const actor = "actor" in fault ? fault.actor : "apiserver";
    if (!matches(target, actor)) return [];
    const translate = TRANSLATIONS[kind] as (fault: object, draw: Draw) => FaultSpec;
    return [[kind, translate(fault, draw)]];
  });
}
