import { escapeToken } from "../../../nats/subjects.ts";
import type { Heartbeat } from "../../../shared/actor/api.ts";
import type { ActorDependencies } from "../../../shared/actor/dependencies.ts";

/** Slices of an interval over which the beats of many nodes are spread. */
const SLICES = 10;

/**
 * Beats for each of the nodes once per interval, spread evenly over it: one message per slice and
 * process, however many nodes it plays (shared/actor/api.ts `Heartbeat`). Beats are core messages:
 * nobody waits for them and none is stored.
 */
export function startHeartbeats(
  { runtime, bus }: Pick<ActorDependencies, "runtime" | "bus">,
  nodes: readonly string[],
  intervalMs: number,
): () => void {
  const [only] = nodes;
  const subject =
    nodes.length === 1 && only !== undefined ? `heartbeat.${escapeToken(only)}` : "heartbeats";
  const slices = Math.min(SLICES, Math.max(1, nodes.length));
  let slice = 0;
  const beat = (): void => {
    const message: Heartbeat = { nodes: nodes.filter((_, index) => index % slices === slice) };
    slice = (slice + 1) % slices;
    bus.publish(subject, Buffer.from(JSON.stringify(message)));
  };
  beat();
  return runtime.timers.every(intervalMs / slices, beat);
}
