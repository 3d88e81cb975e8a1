import { createClient } from "../../../shared/actor/client.ts";
import type { Controller } from "../../../shared/actor/controller.ts";
import type { ActorDependencies } from "../../../shared/actor/dependencies.ts";
import { joinMembership } from "../../../shared/actor/membership.ts";
import type { ActorState } from "../../../shared/actor/orders.ts";
import type { DecisionSink } from "../../../shared/actor/run.ts";
import type { Projections } from "../../../shared/store/composite.ts";
import { type RunningControllers, startControllers } from "../../controllers/start.ts";
import { type RunningScheduler, startScheduler } from "../../scheduler/start.ts";
import { SCHEDULER } from "../identities.ts";
import type { RunningPart } from "./context.ts";

export interface ControlConfig {
  readonly dependencies: ActorDependencies;
  readonly projections: Projections;
  readonly decisions: DecisionSink;
  /** All that it can run. */
  readonly controllers: readonly Controller[];
}

/** The actors of a control process; which of them run can change at any time. */
export class ControlActors implements RunningPart {
  readonly #config: ControlConfig;
  readonly #controllers: RunningControllers;
  #scheduler: RunningScheduler | undefined;
  /** The last change under way; the next one waits for it. */
  #changing: Promise<void> = Promise.resolve();

  constructor(config: ControlConfig) {
    this.#config = config;
    const { dependencies, projections, decisions } = config;
    this.#controllers = startControllers(dependencies, { projections, decisions, controllers: [] });
  }

  /** Those that go leave their keys to others before they stop. */
  run(actors: readonly string[]): Promise<void> {
    const change = this.#changing.then(() => this.#change(new Set(actors)));
    this.#changing = change.catch(() => undefined);
    return change;
  }

  state(withKeys: boolean): readonly ActorState[] {
    const scheduler = this.#schedulerState(withKeys);
    return [...(scheduler ? [scheduler] : []), ...this.#controllers.state(withKeys)];
  }

  async stop(): Promise<void> {
    await this.run([]);
  }

  async #change(wanted: ReadonlySet<string>): Promise<void> {
    const { controllers } = this.#config;
    const known = new Set(["scheduler", ...controllers.map(({ name }) => name)]);
    for (const name of wanted) if (!known.has(name)) throw new Error(`no actor is called ${name}`);
    const running = this.#controllers.names;
    for (const controller of controllers) {
      const { name } = controller;
      if (wanted.has(name) && !running.includes(name)) this.#controllers.add(controller);
    }
    if (wanted.has("scheduler")) this.#scheduler ??= this.#startScheduler();
    const ended = running.filter((name) => !wanted.has(name));
    await Promise.all([
      ...ended.map((name) => this.#controllers.remove(name)),
      wanted.has("scheduler") ? undefined : this.#stopScheduler(),
    ]);
  }

  #startScheduler(): RunningScheduler {
    const { dependencies, projections, decisions } = this.#config;
    return startScheduler({
      dependencies,
      client: createClient({ ...dependencies, identity: SCHEDULER }),
      membership: joinMembership(dependencies, "scheduler"),
      projection: projections.cluster,
      decisions,
    });
  }

  async #stopScheduler(): Promise<void> {
    const scheduler = this.#scheduler;
    this.#scheduler = undefined;
    await scheduler?.stop();
  }

  #schedulerState(withKeys: boolean): ActorState | undefined {
    const scheduler = this.#scheduler;
    if (scheduler === undefined) return undefined;
    const { passes, bound, refused } = scheduler.counters;
    return {
      actor: "scheduler",
      replica: this.#config.dependencies.replica,
      log: "cluster",
      revision: this.#config.projections.cluster.revision,
      ...(withKeys && { keys: scheduler.pending }),
      queued: scheduler.queued,
      inFlight: scheduler.inFlight,
      passes,
      committed: bound,
      refused,
      failed: 0,
    };
  }
}
