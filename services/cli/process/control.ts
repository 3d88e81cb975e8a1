/** The control process: the scheduler and the controllers over one projection. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openDecisions } from "../../../nats/decisions.ts";
import { openStore } from "../../../nats/store.ts";
import { createClient } from "../../../shared/actor/client.ts";
import type { Running } from "../../../shared/actor/dependencies.ts";
import { joinMembership } from "../../../shared/actor/membership.ts";
import type { GroupResource } from "../../../shared/api/key.ts";
import type { Projections } from "../../../shared/store/composite.ts";
import { Projection } from "../../../shared/store/projection.ts";
import { controllers } from "../../controllers/index.ts";
import { startControllers } from "../../controllers/start.ts";
import { startScheduler } from "../../scheduler/start.ts";
import { numberOf, replicasOf } from "../cluster.ts";
import { SCHEDULER } from "../identities.ts";
import { dependenciesOf, logReplicas } from "./bus.ts";
import type { ProcessContext } from "./parts.ts";

const LOGS = ["cluster", "events", "leases"] as const;

/** Nobody here looks into most of these. */
const SELDOM_READ: ReadonlySet<GroupResource> = new Set(["configmaps", "secrets"]);

export async function runControl(context: ProcessContext): Promise<Running> {
  const { runtime, settings, paths, name, connection, faults } = context;
  const dependencies = dependenciesOf(context);
  const decisions = openDecisions(connection);
  const following = LOGS.map(async (log) => {
    const { durability } = settings;
    const options = { name: log, readOnly: true, durability, replicas: logReplicas(settings) };
    const eager = (resource: GroupResource) => !SELDOM_READ.has(resource);
    const kind = { windowChanges: 0, freeze: false, eager, lean: true };
    const projection = new Projection({ runtime, ...kind });
    await projection.follow(faults.store(await openStore(connection, runtime, options)));
    return [log, projection] as const;
  });
  const projections = Object.fromEntries(await Promise.all(following)) as unknown as Projections;
  const number = numberOf(name);
  const wanted = (actor: string) => replicasOf(settings, actor) >= number;
  const rootCertificate = readFileSync(join(paths.data, "pki", "ca.crt"), "utf8");
  const chosen = controllers({ rootCertificate }).filter((controller) => wanted(controller.name));
  const config = { projections, controllers: chosen, decisions };
  const running: Running[] = [startControllers(dependencies, config)];
  if (wanted("scheduler")) {
    running.push(
      startScheduler({
        dependencies,
        client: createClient({ ...dependencies, identity: SCHEDULER }),
        membership: joinMembership(dependencies, "scheduler"),
        projection: projections.cluster,
        decisions,
      }),
    );
  }
  return {
    stop: async () => {
      await Promise.all(running.map((actor) => actor.stop()));
    },
  };
}
