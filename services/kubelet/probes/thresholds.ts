import type { Probe } from "../../../shared/api/generated/types.ts";
import type { ProbeState } from "../decide/types.ts";

/** How a probe stands after some results. */
export interface ProbeCount {
  readonly state: ProbeState;
  /** How often in a row the last result came. */
  readonly last: boolean | undefined;
  readonly run: number;
}

/** A new result: the state changes only when enough equal ones came in a row. Pure. */
export function count(before: ProbeCount, healthy: boolean, probe: Probe): ProbeCount {
  const run = before.last === healthy ? before.run + 1 : 1;
  const threshold = healthy ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
  const reached = run >= threshold;
  return { state: reached ? (healthy ? "success" : "failure") : before.state, last: healthy, run };
}
