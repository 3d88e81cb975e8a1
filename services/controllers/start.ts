import { createClient } from "../../shared/actor/client.ts";
import { combine } from "../../shared/actor/combined.ts";
import type { Controller } from "../../shared/actor/controller.ts";
import type { ActorDependencies, Running } from "../../shared/actor/dependencies.ts";
import { joinMembership } from "../../shared/actor/membership.ts";
import {
  type DecisionSink,
  type RunningController,
  runController,
} from "../../shared/actor/run.ts";
import type { ProjectionReader } from "../../shared/store/view.ts";

const LEASES = "leases.coordination.k8s.io";

export interface ControllersConfig {
  /** Of this process, one per log, shared with its other actors. */
  readonly projections: Readonly<Record<"cluster" | "events" | "leases", ProjectionReader>>;
  readonly controllers: readonly Controller[];
  readonly decisions: DecisionSink;
}

export interface RunningControllers extends Running {
  readonly running: ReadonlyMap<string, RunningController>;
}

/**
 * Runs the controllers as one replica: each under its own identity, all in one membership. A
 * controller of objects of another log than `cluster` goes by that log's revisions.
 */
export function startControllers(
  dependencies: ActorDependencies,
  { projections, controllers, decisions }: ControllersConfig,
): RunningControllers {
  const { cluster, events, leases } = projections;
  const readers: Readonly<Record<string, ProjectionReader>> = {
    events,
    [LEASES]: combine(leases, { nodes: cluster }),
  };
  const everything = combine(cluster, { [LEASES]: leases });
  const membership = joinMembership(dependencies, "controllers");
  const running = new Map<string, RunningController>();
  for (const controller of controllers) {
    // What looks at every resource looks at the cluster's log alone: leases and events own nothing.
    const ordinary = controller.primary === "*" || controller.wakes?.["*"] ? cluster : everything;
    const projection = readers[controller.primary] ?? ordinary;
    const client = createClient({
      ...dependencies,
      identity: `system:controller:${controller.name}`,
    });
    const options = { dependencies, projection, client, membership, decisions };
    running.set(controller.name, runController(controller, options));
  }
  return {
    running,
    stop: async () => {
      membership.leave();
      await Promise.all([...running.values()].map((each) => each.stop()));
    },
  };
}
