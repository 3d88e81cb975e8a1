/**
 * `cox init`: the data folder of a cluster whose processes are started one by one (`cox run`), as
 * containers or by a service manager, and the configuration of its NATS servers.
 */
import { serverConfig } from "../../nats/config.ts";
import { liveRuntime } from "../../shared/runtime/live.ts";
import { prepareAccess } from "./access.ts";
import {
  type ClusterSettings,
  createFolders,
  nodeName,
  type Paths,
  pathsOf,
  readSettings,
  writeSettings,
  writeWhole,
} from "./cluster.ts";
import { busUsers, type Credentials } from "./credentials.ts";
import { supervisorOf } from "./pids.ts";
import { UsageError } from "./usage-error.ts";

export interface InitOptions {
  readonly data: string;
  readonly nats: string;
  readonly nodes?: number;
  readonly port?: number;
  readonly durability?: "strict" | "relaxed";
  readonly address?: readonly string[];
}

const API_PORT = 6443;
const NODES = 3;
const NATS_PORT = 4222;
const ROUTE_PORT = 6222;
/** Where the servers keep their streams, each on a volume of its own. */
const STORE = "/jetstream";

/** Keys and passwords that are there stay. Returns what was written and what is next. */
export function init(options: InitOptions): string {
  const paths = pathsOf(options.data);
  const running = supervisorOf(paths);
  if (running !== undefined) {
    throw new UsageError(`A supervisor runs the cluster in ${paths.data} (pid ${running}).`);
  }
  createFolders(paths);
  const before = readSettings(paths);
  if (before !== undefined && before.runtime !== "simulated") {
    throw new UsageError(`The nodes of the cluster in ${paths.data} are not simulated.`);
  }
  const settings = settingsOf(options, before);
  writeSettings(paths, settings);
  const credentials = prepareAccess(settings, paths, liveRuntime());
  writeWhole(paths.natsConfiguration, natsConfiguration(settings, credentials));
  return summaryOf(paths, settings);
}

function settingsOf(options: InitOptions, before: ClusterSettings | undefined): ClusterSettings {
  const count = options.nodes ?? before?.nodes.length ?? NODES;
  const indices = Array.from({ length: count }, (_, index) => index);
  return {
    format: 1,
    name: "coxswain",
    apiPort: options.port ?? before?.apiPort ?? API_PORT,
    natsPort: NATS_PORT,
    natsUrl: options.nats,
    addresses: [...(options.address ?? before?.addresses ?? [])],
    durability: options.durability ?? before?.durability ?? "strict",
    runtime: "simulated",
    slot: 0,
    nodes: indices.map((index) => ({ name: nodeName("simulated", index), index })),
    replicas: {},
    autoscale: {},
    grouping: "split",
  };
}

function natsConfiguration(settings: ClusterSettings, credentials: Credentials): string {
  const hosts = (settings.natsUrl ?? "").split(",").map((url) => new URL(url).hostname);
  return serverConfig({
    name: `${settings.name}-${credentials.cluster}`,
    host: "0.0.0.0",
    port: NATS_PORT,
    storeDirectory: STORE,
    durability: settings.durability,
    users: busUsers(credentials, settings),
    ...(hosts.length > 1 && {
      cluster: {
        listen: `0.0.0.0:${ROUTE_PORT}`,
        routes: hosts.map((host) => `${host}:${ROUTE_PORT}`),
      },
    }),
  });
}

function summaryOf(paths: Paths, { nodes, apiPort }: ClusterSettings): string {
  return `A cluster of ${nodes.length} simulated nodes is prepared in ${paths.data}
  NATS servers  nats-server --config ${paths.natsConfiguration} --name <one for each>
  processes     cox run apiserver --data ${paths.data}, and so on for each actor
  clients       ${paths.kubeconfig} (https://127.0.0.1:${apiPort})
`;
}
