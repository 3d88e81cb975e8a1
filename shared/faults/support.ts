import { EFFECTS } from "./effects.ts";
import { type Faults, names } from "./language.ts";

/**
 * What of a fault file a side does not do, by field, each with the reason: to be shown before the
 * run, never passed over in silence.
 */
export function unsupportedLive(faults: Faults, processes: readonly string[]): string[] {
  const lines: string[] = [];
  const { crash, clockSkew } = faults;
  for (const effect of crash?.between ?? EFFECTS) {
    if (effect !== "timer" || crash === undefined) continue;
    lines.push("crash.between: timer: live processes die at messages, commits and versions only");
  }
  if (clockSkew !== undefined) {
    lines.push(
      "clockSkew: JetStream's and the machine's own clocks stay right; the actors' do not",
    );
  }
  const strangers = ["nats-server", "containerd"];
  lines.push(...unmatched(faults, [...processes, ...strangers]));
  return lines;
}

export function unsupportedInSimulation(faults: Faults, processes: readonly string[]): string[] {
  const lines: string[] = [];
  for (const fault of faults.partition ?? []) {
    if (fault.from === "all") continue;
    lines.push(
      `partition.from: ${fault.from}: the simulation cuts off the log and the bus at once`,
    );
  }
  lines.push(...unmatched(faults, processes));
  return lines;
}

/** Faults whose actor is not there. */
function unmatched(faults: Faults, processes: readonly string[]): string[] {
  const asked = Object.entries(faults).flatMap(([kind, fault]) => {
    const all = (Array.isArray(fault) ? fault : [fault]) as readonly { actor?: string }[];
    return all.map((each) => ({ kind, actor: each?.actor }));
  });
  return asked.flatMap(({ kind, actor }) => {
    if (actor === undefined || processes.some((process) => names(actor, process))) return [];
    const there = [...new Set(processes.map((name) => name.replace(/-\d+$/, "")))].join(", ");
    return [`${kind}.actor: ${actor}: there is no such process (there are ${there})`];
  });
}
