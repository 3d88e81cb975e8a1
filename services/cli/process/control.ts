/** A control process: any of the scheduler and the controllers, over one projection of each log. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openDecisions } from "../../../nats/decisions.ts";
import { openStore } from "../../../nats/store.ts";
import type { LogName } from "../../../nats/subjects.ts";
import type { DecisionSink } from "../../../shared/actor/run.ts";
import type { GroupResource } from "../../../shared/api/key.ts";
import type { Projections } from "../../../shared/store/composite.ts";
import { Projection } from "../../../shared/store/projection.ts";
import { controllers } from "../../controllers/index.ts";
import { type BusConnection, dependenciesOf, logReplicas } from "./bus.ts";
import type { ProcessContext, RunningPart } from "./context.ts";
import { ControlActors } from "./control-actors.ts";

const NOWHERE: DecisionSink = { append: () => undefined };
/** Enough for what is under way; passes over many pods go by facts that are kept apart. */
const DECODED_BYTES = 16 * 1024 * 1024;
/** Nobody here looks into most of these. */
const SELDOM_READ: ReadonlySet<GroupResource> = new Set(["configmaps", "secrets"]);
/** What a process that died has left behind is taken up first. */
const EVENTS_AFTER_MS = 1_000;

export async function runControl(context: ProcessContext): Promise<RunningPart> {
  const rootCertificate = readFileSync(join(context.paths.data, "pki", "ca.crt"), "utf8");
  const { bus, connection } = await context.connecting;
  const control = new ControlActors({
    dependencies: dependenciesOf(context, bus),
    projections: await followLogs(context, connection),
    // For measuring what recording costs.
    decisions: process.env["COX_DECISIONS"] === "none" ? NOWHERE : openDecisions(connection),
    controllers: controllers({ rootCertificate }),
  });
  await control.run(context.actors);
  return control;
}

/** Resolves when the objects and leases are here; events, which only expire here, come later. */
async function followLogs(
  { runtime, settings, faults }: ProcessContext,
  connection: BusConnection["connection"],
): Promise<Projections> {
  const { durability } = settings;
  const open = async (name: LogName) => {
    const options = { name, readOnly: true, durability, replicas: logReplicas(settings) };
    return faults.store(await openStore(connection, runtime, options));
  };
  const eager = (resource: GroupResource) => !SELDOM_READ.has(resource);
  const memory = { windowChanges: 0, decodedBytes: DECODED_BYTES };
  const projection = () => new Projection({ runtime, ...memory, freeze: false, eager, lean: true });
  const logs = await Promise.all([open("cluster"), open("events"), open("leases")]);
  const [cluster, events, leases] = [projection(), projection(), projection()];
  await Promise.all([cluster.follow(logs[0]), leases.follow(logs[2])]);
  runtime.timers.after(EVENTS_AFTER_MS, () => void events.follow(logs[1]));
  return { cluster, events, leases };
}
