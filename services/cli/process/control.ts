/** The control process: the scheduler and the controllers over one projection. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openDecisions } from "../../../nats/decisions.ts";
import { openStore } from "../../../nats/store.ts";
import { createClient } from "../../../shared/actor/client.ts";
import type { Controller } from "../../../shared/actor/controller.ts";
import type { ActorDependencies, Running } from "../../../shared/actor/dependencies.ts";
import { joinMembership } from "../../../shared/actor/membership.ts";
import { runController } from "../../../shared/actor/run.ts";
import { kindByResource } from "../../../shared/api/kinds.ts";
import { compositeProjection, type Projections } from "../../../shared/store/composite.ts";
import { Projection } from "../../../shared/store/projection.ts";
import { controllers } from "../../controllers/index.ts";
import { startScheduler } from "../../scheduler/start.ts";
import { numberOf, replicasOf } from "../cluster.ts";
import { controllerIdentity, SCHEDULER } from "../identities.ts";
import { connectBus, dependenciesOf } from "./bus.ts";
import type { ProcessContext } from "./parts.ts";

const LOGS = ["cluster", "events", "leases"] as const;

export async function runControl(context: ProcessContext): Promise<Running> {
  const { runtime, settings, paths, name } = context;
  const { connection, bus } = await connectBus(context, "controllers");
  const dependencies = dependenciesOf(context, bus);
  const decisions = openDecisions(connection);
  const following = LOGS.map(async (log) => {
    const options = { name: log, readOnly: true, durability: settings.durability };
    const projection = new Projection({ runtime, windowChanges: 0, freeze: false });
    await projection.follow(await openStore(connection, runtime, options));
    return [log, projection] as const;
  });
  const projections = Object.fromEntries(await Promise.all(following)) as unknown as Projections;
  const number = numberOf(name);
  const wanted = (actor: string) => replicasOf(settings, actor) >= number;
  const rootCertificate = readFileSync(join(paths.data, "pki", "ca.crt"), "utf8");
  const running: Running[] = controllers({ rootCertificate })
    .filter((controller) => wanted(controller.name))
    .map((controller) => start(controller));
  if (wanted("scheduler")) {
    running.push(
      startScheduler({
        ...shared("scheduler", SCHEDULER, dependencies),
        projection: projections.cluster,
      }),
    );
  }
  return {
    stop: async () => {
      await Promise.all(running.map((actor) => actor.stop()));
      await connection.close();
    },
  };

  function start(controller: Controller): Running {
    const log = controller.primary === "*" ? undefined : kindByResource(controller.primary)?.log;
    const primary = log === "events" || log === "leases" ? log : "cluster";
    const identity = controllerIdentity(controller.name);
    return runController(controller, {
      ...shared(controller.name, identity, dependencies),
      projection: compositeProjection(projections, primary),
    });
  }

  function shared(actor: string, identity: string, own: ActorDependencies) {
    const membership = joinMembership(own, actor);
    return { dependencies: own, client: createClient({ ...own, identity }), membership, decisions };
  }
}
