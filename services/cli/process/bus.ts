import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { NatsBus } from "../../../nats/bus.ts";
import { type Connection, connect } from "../../../nats/connect.ts";
import type { Bus } from "../../../shared/actor/bus.ts";
import type { ActorDependencies } from "../../../shared/actor/dependencies.ts";
import type { ClusterSettings } from "../cluster.ts";
import type { ProcessContext } from "./context.ts";

export interface BusConnection {
  readonly connection: Connection;
  readonly bus: Bus;
}

/** Where a cluster's bus is, and the file with its passwords; none: it asks for none. */
export interface BusSource {
  readonly settings: Pick<ClusterSettings, "natsUrl" | "natsPort">;
  readonly credentials: string | undefined;
}

/** Connects as one of the cluster's bus users. */
export async function connectBus(
  { settings, credentials }: BusSource,
  name: string,
  user: string,
  timeoutMs?: number,
): Promise<BusConnection> {
  const { url, login } = serverOf(settings);
  const own = { user, password: credentials === undefined ? "" : passwordOf(credentials, user) };
  const patience = timeoutMs === undefined ? {} : { timeoutMs };
  const connection = await connect({ url, name, ...patience, ...(login ?? own) });
  return { connection, bus: new NatsBus(connection) };
}

function passwordOf(file: string, user: string): string {
  const { passwords } = JSON.parse(readFileSync(file, "utf8")) as {
    passwords: Record<string, string>;
  };
  return passwords[user] ?? "";
}

export interface NatsServer {
  readonly url: string;
  /** Of a server that is not ours, when its URL names one. */
  readonly login?: { readonly user: string; readonly password: string };
}

/** Where the cluster's NATS server is. */
export function serverOf({
  natsUrl,
  natsPort,
}: Pick<ClusterSettings, "natsUrl" | "natsPort">): NatsServer {
  if (natsUrl === undefined) return { url: `nats://127.0.0.1:${natsPort}` };
  const urls = natsUrl.split(",").map((text) => new URL(text));
  const named = urls.find(({ username }) => username !== "");
  const url = urls.map(({ host }) => `nats://${host}`).join(",");
  if (named === undefined) return { url };
  const [user, password] = [named.username, named.password].map(decodeURIComponent);
  return { url, login: { user: user ?? "", password: password ?? "" } };
}

/** Copies of the log: three where there are servers for them. */
export function logReplicas({ natsUrl }: ClusterSettings): number {
  return (natsUrl ?? "").split(",").length >= 3 ? 3 : 1;
}

/** Names a process among all that have been called so. */
export function replicaOf({ name }: Pick<ProcessContext, "name">): string {
  return `${name}-${process.pid}`;
}

/** Dependencies of an actor in this process. */
export function dependenciesOf(
  { runtime, logger, name, paths }: ProcessContext,
  bus: Bus,
): ActorDependencies {
  // A data folder has one supervisor, which starts a process when the one of that name has ended.
  const place = `${hostname()}:${paths.data}:${name}`;
  return { runtime, bus, logger, replica: replicaOf({ name }), process: place };
}
