import { createClient } from "../../shared/actor/client.ts";
import type { Controller } from "../../shared/actor/controller.ts";
import type { ActorDependencies, Running } from "../../shared/actor/dependencies.ts";
import { joinGroup } from "../../shared/actor/membership.ts";
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
  readonly running: ReadonlyMap<string, RunningController>;
}

/**
 * Runs the controllers as one replica: each under its own identity, all with one beat. A controller
 * goes by the revisions of the log that holds its primary resource.
 */
export function startControllers(
  dependencies: ActorDependencies,
  { projections, controllers, decisions }: ControllersConfig,
): RunningControllers {
  const running = new Map<string, RunningController>();
  const names = controllers.map(({ name }) => name);
  const membershipOf = joinGroup(dependencies, "controllers", names, () => ({
    revision: projections.cluster.revision,
    ...totals([...running.values()]),
  }));
  for (const controller of controllers) {
    const identity = `system:controller:${controller.name}`;
    const options = {
      dependencies,
      projection: compositeProjection(projections, logOf(controller.primary)),
      client: createClient({ ...dependencies, identity }),
      membership: membershipOf(controller.name),
      decisions,
    };
    running.set(controller.name, runController(controller, options));
  }
  return {
    running,
    stop: async () => {
      await Promise.all([...running.values()].map((each) => each.stop()));
    },
  };
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
