import { escapeToken } from "../../../nats/subjects.ts";
import type { ActorDependencies } from "../../../shared/actor/dependencies.ts";

/** Slices of an interval over which the beats of many nodes are spread. */
const SLICES = 10;

/**
 * Publishes `heartbeat.<node>` for each of the nodes once per interval, spread evenly over it.
 * Beats are core messages: nobody waits for them and none is stored. `alive` says whether a node
 * may beat at present.
 */
export function startHeartbeats(
  dependencies: Pick<ActorDependencies, "runtime" | "bus">,
  nodes: readonly string[],
  intervalMs: number,
  alive: (node: string) => boolean = () => true,
): () => void {
  const { runtime, bus } = dependencies;
  const beat = (node: string): void => {
    if (!alive(node)) return;
    const message = JSON.stringify({ node, time: runtime.clock.now() });
    bus.publish(`heartbeat.${escapeToken(node)}`, Buffer.from(message));
  };
  for (const node of nodes) beat(node);
  const slices = Math.min(SLICES, Math.max(1, nodes.length));
  let slice = 0;
  return runtime.timers.every(intervalMs / slices, () => {
    for (let index = slice; index < nodes.length; index += slices) beat(nodes[index] as string);
    slice = (slice + 1) % slices;
  });
}
