import { createClient } from "../../shared/actor/client.ts";
import type { Controller } from "../../shared/actor/controller.ts";
import type { ActorDependencies, Running } from "../../shared/actor/dependencies.ts";
import { type Group, joinGroup, type Membership } from "../../shared/actor/membership.ts";
import type { ActorState } from "../../shared/actor/orders.ts";
import {
  type DecisionSink,
  type RunningController,
  runController,
} from "../../shared/actor/run.ts";
import { logOf } from "../../shared/api/kinds.ts";
import { compositeProjection, type Projections } from "../../shared/store/composite.ts";

export interface ControllersConfig {
  /** Of this process, one per log, shared with its other actors. */
  readonly projections: Projections;
  readonly controllers: readonly Controller[];
  readonly decisions: DecisionSink;
}

export interface RunningControllers extends Running {
  /** Names of those that run. */
  readonly names: readonly string[];
  /** Runs one more of them. */
  add(controller: Controller): void;
  /** Leaves its keys to the other replicas, lets its passes end, and stops it. */
  remove(name: string): Promise<void>;
  /** Counting the keys of a replica looks at each, and is done on request only. */
  state(withKeys: boolean): readonly ActorState[];
}

/**
 * Runs the controllers as one replica: each under its own identity, all with one beat. A controller
 * goes by the revisions of the log that holds its primary resource.
 */
export function startControllers(
  dependencies: ActorDependencies,
  config: ControllersConfig,
): RunningControllers {
  const controllers = new Controllers(dependencies, config);
  for (const controller of config.controllers) controllers.add(controller);
  return controllers;
}

interface Member {
  readonly controller: Controller;
  readonly membership: Membership;
  readonly running: RunningController;
}

class Controllers implements RunningControllers {
  readonly #dependencies: ActorDependencies;
  readonly #config: ControllersConfig;
  readonly #members = new Map<string, Member>();
  readonly #group: Group;

  constructor(dependencies: ActorDependencies, config: ControllersConfig) {
    this.#dependencies = dependencies;
    this.#config = config;
    this.#group = joinGroup(dependencies, "controllers", () => ({
      revision: config.projections.cluster.revision,
      ...totals([...this.#members.values()].map(({ running }) => running)),
    }));
  }

  get names(): readonly string[] {
    return [...this.#members.keys()];
  }

  add(controller: Controller): void {
    const { name, primary } = controller;
    const membership = this.#group.join(name);
    const running = runController(controller, {
      dependencies: this.#dependencies,
      projection: compositeProjection(this.#config.projections, logOf(primary)),
      client: createClient({ ...this.#dependencies, identity: `system:controller:${name}` }),
      membership,
      decisions: this.#config.decisions,
    });
    this.#members.set(name, { controller, membership, running });
  }

  async remove(name: string): Promise<void> {
    const member = this.#members.get(name);
    this.#members.delete(name);
    await member?.running.stop();
  }

  async stop(): Promise<void> {
    await Promise.all(this.names.map((name) => this.remove(name)));
  }

  state(withKeys: boolean): readonly ActorState[] {
    const { projections } = this.#config;
    return [...this.#members.values()].map(({ controller, membership, running }) => {
      const { name, primary } = controller;
      const log = logOf(primary);
      const { passes, committed, refused, failed } = running.counters;
      const owned = (): number =>
        projections[log].list(primary).filter(({ key }) => membership.owns(key)).length;
      return {
        actor: name,
        replica: this.#dependencies.replica,
        log,
        revision: projections[log].revision,
        // Of one that looks after every resource, nothing is counted.
        ...(withKeys && primary !== "*" && { keys: owned() }),
        queued: running.queued,
        inFlight: running.inFlight,
        passes,
        committed,
        refused,
        failed,
      };
    });
  }
}

/** What the beat says about all of them together. */
function totals(running: readonly RunningController[]): Record<string, number> {
  const total = { queued: 0, inFlight: 0, passes: 0, committed: 0, refused: 0, failed: 0 };
  for (const { queued, inFlight, counters } of running) {
    total.queued += queued;
    total.inFlight += inFlight;
    total.passes += counters.passes;
    total.committed += counters.committed;
    total.refused += counters.refused;
    total.failed += counters.failed;
  }
  return total;
}
