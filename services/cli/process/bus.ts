import { readFileSync } from "node:fs";
import { NatsBus } from "../../../nats/bus.ts";
import { type Connection, connect } from "../../../nats/connect.ts";
import type { Bus } from "../../../shared/actor/bus.ts";
import type { ActorDependencies } from "../../../shared/actor/dependencies.ts";
import type { ProcessContext } from "./parts.ts";

export interface BusConnection {
  readonly connection: Connection;
  readonly bus: Bus;
}

/** Connects as one of the cluster's bus users. */
export async function connectBus(context: ProcessContext, user: string): Promise<BusConnection> {
  const { settings, paths, name } = context;
  const { passwords } = JSON.parse(readFileSync(paths.credentials, "utf8")) as {
    passwords: Record<string, string>;
  };
  const url = settings.natsUrl ?? `nats://127.0.0.1:${settings.natsPort}`;
  const connection = await connect({ url, user, password: passwords[user] ?? "", name });
  return { connection, bus: new NatsBus(connection) };
}

/** Dependencies of an actor in this process; replicas of the same actor differ by process and pid. */
export function dependenciesOf(
  { runtime, logger, name }: ProcessContext,
  bus: Bus,
): ActorDependencies {
  return { runtime, bus, logger, replica: `${name}-${process.pid}` };
}
