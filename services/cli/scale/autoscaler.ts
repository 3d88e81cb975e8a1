/** Looks at the load of the actors that have bounds, and scales them. */
import { logHeads } from "../../../nats/heads.ts";
import { type ProcessState, parseProcessState, sendToEvery } from "../../../shared/actor/orders.ts";
import { liveRuntime } from "../../../shared/runtime/live.ts";
import type { ClusterSettings } from "../cluster.ts";
import { replicasOf } from "../layout.ts";
import type { BusConnection } from "../process/bus.ts";
import { type Load, nextTrend, type Trend } from "./autoscale.ts";
import type { Sample } from "./rows.ts";

const EVERY_MS = 1_000;
/** Those that are slower are left out of this look. */
const ANSWER_MS = 500;

export interface Scalable {
  readonly settings: ClusterSettings;
  /** How many processes will answer. */
  readonly processes: number;
  /** Brings about the numbers of replicas; the bounds stay. */
  follow(replicas: Readonly<Record<string, number>>): Promise<unknown>;
}

/** Runs until the process ends. Costs nothing while no actor has bounds. */
export function startAutoscaler({ bus, connection }: BusConnection, cluster: Scalable): void {
  const runtime = liveRuntime();
  const trends = new Map<string, Trend>();
  let busy = false;
  const look = async (): Promise<void> => {
    const { autoscale } = cluster.settings;
    if (busy || Object.keys(autoscale).length === 0) return;
    busy = true;
    try {
      const [heads, answers] = await Promise.all([
        logHeads(connection),
        sendToEvery({ bus, runtime }, { type: "state" }, ANSWER_MS, cluster.processes),
      ]);
      const changes = changesOf(cluster.settings, trends, {
        heads,
        states: answers.map(parseProcessState),
        nowMs: runtime.clock.monotonic(),
      });
      if (Object.keys(changes).length === 0) return;
      const text = Object.entries(changes).map((change) => change.join("="));
      process.stderr.write(`${new Date().toISOString()} autoscaling: ${text.join(" ")}\n`);
      await cluster.follow(changes);
    } catch (error) {
      // The bus is away, or a process did not come; the next look sees how things are.
      process.stderr.write(`autoscaling: ${(error as Error).message}\n`);
    } finally {
      busy = false;
    }
  };
  runtime.timers.every(EVERY_MS, () => void look());
}

/** The replicas that change now. `trends` is carried on. */
function changesOf(
  settings: ClusterSettings,
  trends: Map<string, Trend>,
  { heads, states, nowMs }: Pick<Sample, "heads" | "states"> & { nowMs: number },
): Record<string, number> {
  const changes: Record<string, number> = {};
  for (const [actor, bounds] of Object.entries(settings.autoscale)) {
    const load = loadOf(actor, heads, states);
    if (load === undefined) continue;
    const replicas = replicasOf(settings, actor);
    const known = trends.get(actor);
    // Somebody else may have scaled it meanwhile.
    const trend = known?.replicas === replicas ? known : { replicas };
    const next = nextTrend(trend, load, bounds, nowMs);
    trends.set(actor, next);
    if (next.replicas !== replicas) changes[actor] = next.replicas;
  }
  return changes;
}

/** Undefined when no replica answered. */
export function loadOf(
  actor: string,
  heads: Sample["heads"],
  states: readonly ProcessState[],
): Load | undefined {
  const replicas = states.flatMap(({ actors }) => actors.filter((each) => each.actor === actor));
  if (replicas.length === 0) return undefined;
  const lags = replicas.map(({ log, revision }) => {
    const head = log && heads[log];
    return head === undefined || revision === undefined ? 0 : Math.max(0, head - revision);
  });
  const queued = replicas.reduce((sum, replica) => sum + (replica.queued ?? 0), 0);
  return { queued, lag: Math.max(...lags) };
}
