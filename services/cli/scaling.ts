/**
 * Brings about the layout of a cluster while it runs: processes come, running ones are told what
 * they run from now on, and only then others go, so that no actor is ever without a replica.
 */
import type { Bus } from "../../shared/actor/bus.ts";
import { NoResponderError, RequestTimeoutError } from "../../shared/actor/bus.ts";
import { parseProcessState, sendOrder } from "../../shared/actor/orders.ts";
import { type ClusterSettings, type Paths, writeSettings } from "./cluster.ts";
import type { PlannedProcess } from "./layout.ts";
import { CONTROL_ACTORS, layoutOf, mustBeActor, replicasOf, withReplicas } from "./layout.ts";
import { NATS_SERVER, type Supervisor } from "./supervisor.ts";
import type { ScaleOrder, SupervisorStatus } from "./supervisor-orders.ts";

/** Then it is asked again: a process that dies does not answer, and its next life may be asked. */
const ORDER_MS = 3_000;
const POLL_MS = 50;
const START_MS_MAX = 30_000;

export interface ScalingOptions {
  readonly paths: Paths;
  readonly supervisor: Supervisor;
  /** Starts a process of the cluster. */
  start(planned: PlannedProcess): void;
}

/** The replicas of a running cluster. Changes are brought about one after the other. */
export class Scaling {
  readonly #options: ScalingOptions;
  readonly #bus: Pick<Bus, "request">;
  #settings: ClusterSettings;
  #changing: Promise<unknown> = Promise.resolve();

  constructor(settings: ClusterSettings, bus: Pick<Bus, "request">, options: ScalingOptions) {
    this.#settings = settings;
    this.#bus = bus;
    this.#options = options;
  }

  get settings(): ClusterSettings {
    return this.#settings;
  }

  /** @throws UsageError when an actor does not exist, Error when a process does not follow. */
  scale(order: ScaleOrder): Promise<SupervisorStatus> {
    return this.#inTurn(() => this.#bringAbout(scaled(this.#settings, order)));
  }

  /** Brings about what the load asks for; the bounds stay as they are. */
  follow(replicas: Readonly<Record<string, number>>): Promise<SupervisorStatus> {
    return this.#inTurn(() => {
      const both = { ...this.#settings.replicas, ...replicas };
      return this.#bringAbout({ ...this.#settings, replicas: both });
    });
  }

  /** Of the cluster's own processes. */
  get processes(): number {
    return layoutOf(this.#settings).length;
  }

  status(): SupervisorStatus {
    const { grouping, autoscale } = this.#settings;
    const replicas = ["apiserver", ...CONTROL_ACTORS].map(
      (actor) => [actor, replicasOf(this.#settings, actor)] as const,
    );
    const processes = this.#options.supervisor.status();
    return { grouping, autoscale, replicas: Object.fromEntries(replicas), processes };
  }

  #inTurn(change: () => Promise<SupervisorStatus>): Promise<SupervisorStatus> {
    const changed = this.#changing.then(change);
    this.#changing = changed.catch(() => undefined);
    return changed;
  }

  async #bringAbout(settings: ClusterSettings): Promise<SupervisorStatus> {
    const { supervisor, start, paths } = this.#options;
    this.#settings = settings;
    // Kept first: whatever is started from here on, now or after a crash, is started by it.
    writeSettings(paths, settings);
    const wanted = layoutOf(settings);
    // What runs is looked at, not what was asked for last: that may not have been brought about.
    const present = new Set(supervisor.status().map(({ name }) => name));
    const coming = wanted.filter(({ name }) => !present.has(name));
    for (const planned of coming) start(planned);
    await Promise.all(coming.map((planned) => this.#untilRuns(planned)));
    const staying = wanted.filter(({ name, actors }) => present.has(name) && actors.length > 0);
    await Promise.all(staying.map((planned) => this.#tell(planned)));
    const kept = new Set([NATS_SERVER, ...wanted.map(({ name }) => name)]);
    const going = [...present].filter((name) => !kept.has(name));
    await Promise.all(going.map((name) => supervisor.end(name)));
    return this.status();
  }

  async #untilRuns({ name }: PlannedProcess): Promise<void> {
    await this.#untilThere(name, async () => {
      const order = { type: "state" } as const;
      const state = parseProcessState(await sendOrder(this.#bus, name, order, ORDER_MS));
      return state.actors.length > 0;
    });
  }

  async #tell({ name, actors }: PlannedProcess): Promise<void> {
    await this.#untilThere(name, async () => {
      await sendOrder(this.#bus, name, { type: "run", actors: [...actors] }, ORDER_MS);
      return true;
    });
  }

  /** A process that starts, or that is started again, is not heard for a moment. */
  async #untilThere(name: string, ask: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + START_MS_MAX;
    for (;;) {
      const done = await ask().catch((error: unknown) => {
        if (error instanceof NoResponderError || error instanceof RequestTimeoutError) return false;
        throw error;
      });
      if (done) return;
      if (Date.now() > deadline) {
        throw new Error(`${name} does not run after ${START_MS_MAX / 1000} s; see its log`);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

/** The settings that an order leads to: a number ends the bounds that were asked for before. */
export function scaled(settings: ClusterSettings, order: ScaleOrder): ClusterSettings {
  for (const actor of Object.keys(order.autoscale)) mustBeActor(actor);
  const bounds = Object.entries({ ...settings.autoscale, ...order.autoscale });
  const numbers = withReplicas({}, order.replicas);
  const free = bounds.filter(([actor]) => replicasOf({ replicas: numbers }, actor, 0) === 0);
  const replicas = withReplicas(settings.replicas, order.replicas);
  for (const [actor, { min, max }] of free) {
    replicas[actor] = Math.min(max, Math.max(min, replicasOf({ replicas }, actor)));
  }
  return {
    ...settings,
    replicas,
    autoscale: Object.fromEntries(free),
    grouping: order.grouping ?? settings.grouping,
  };
}
