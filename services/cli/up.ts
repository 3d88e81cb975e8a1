/** `cox up`: from whatever there is to a cluster that can be used, and then keeps it running. */
import { createHash } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serverConfig } from "../../nats/config.ts";
import { obtainServer } from "../../nats/server.ts";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import { orderSubject, serveRequests } from "../../shared/actor/orders.ts";
import { liveRuntime } from "../../shared/runtime/live.ts";
import { commands } from "../node/command.ts";
import { clusterNetwork, NODES_MAX } from "../node/network.ts";
import { prepareHost } from "../node/prepare.ts";
import { claimSlot } from "../node/slots.ts";
import { prepareAccess } from "./access.ts";
import {
  type Bounds,
  type ClusterSettings,
  createFolders,
  type Grouping,
  type NodeRuntime,
  nodeName,
  type Paths,
  pathsOf,
  readSettings,
  writeSettings,
  writeWhole,
} from "./cluster.ts";
import { busUsers, type Credentials } from "./credentials.ts";
import { cacheFolder, programFile } from "./folders.ts";
import { layoutOf, type PlannedProcess } from "./layout.ts";
import { endLeftovers } from "./leftovers.ts";
import { stopNodes } from "./nodes.ts";
import { supervisorOf } from "./pids.ts";
import { firstFree, isFree, type SharedSocket, takePort } from "./ports.ts";
import { connectBus } from "./process/bus.ts";
import type { Progress } from "./progress.ts";
import { untilNodesReady, untilReady } from "./ready.ts";
import { chooseRuntime } from "./runtime-choice.ts";
import { startAutoscaler } from "./scale/autoscaler.ts";
import { Scaling, type ScalingOptions, scaled } from "./scaling.ts";
import { obeySignal } from "./signals.ts";
import { summaryOf } from "./summary.ts";
import { HANDED_FD, NATS_SERVER, NICE, type ProcessSpec, Supervisor } from "./supervisor.ts";
import { SUPERVISOR, supervisorOrderSchema } from "./supervisor-orders.ts";
import { UsageError } from "./usage-error.ts";
import { OPERATOR_USER } from "./users.ts";

export interface UpOptions {
  readonly data: string;
  readonly port?: number;
  readonly nodes?: number;
  readonly runtime?: "auto" | NodeRuntime;
  readonly nats?: string;
  readonly durability?: "strict" | "relaxed";
  readonly replicas?: Readonly<Record<string, number>>;
  readonly autoscale?: Readonly<Record<string, Bounds>>;
  readonly grouping?: Grouping;
}

const API_PORT = 6443;
/** A process that ends so often before the cluster is up will not come up. */
const ENDS_MAX = 3;
/** The first, and how many; below those that the kernel gives to outgoing connections. */
const NATS_PORTS = [14_222, 8_000] as const;

/** Runs the cluster until told to stop (SIGINT, SIGTERM). Resolves when everything has ended. */
export async function up(options: UpOptions, progress: Progress): Promise<void> {
  const paths = pathsOf(options.data);
  createFolders(paths);
  // `npm start` does not name the data folder, but whoever looks for the process should find it.
  process.title = `cox up --data ${paths.data}`;
  const running = supervisorOf(paths);
  if (running !== undefined) {
    const hint = `\`cox status --data ${paths.data}\` shows it, \`cox down --data ${paths.data}\``;
    throw new UsageError(
      `A cluster runs in ${paths.data} already (pid ${running}). ${hint} ends it.`,
    );
  }
  writeFileSync(join(paths.run, "supervisor.pid"), `${process.pid}\n`);
  const stopped = stopRequested();
  const supervisor = new Supervisor(paths, (name, how, pause) => {
    const when = pause === 0 ? "started again" : `starting again in ${pause} ms`;
    process.stderr.write(`${new Date().toISOString()} ${name} ended (${how}); ${when}\n`);
  });
  let begun = false;
  let socket: SharedSocket | undefined;
  try {
    // Pods of a supervisor that was killed go on; its processes are replaced.
    await endLeftovers(paths);
    const settings = await settle(options, paths, progress);
    begun = true;
    socket = takePort(settings.apiPort);
    await Promise.race([start(settings, paths, supervisor, socket, progress), stopped.promise]);
    if (!stopped.requested()) progress.ready(summaryOf(settings, paths));
    await stopped.promise;
  } catch (error) {
    await end().catch((second: Error) => process.stderr.write(`${second.message}\n`));
    throw error;
  }
  await end();

  async function end(): Promise<void> {
    process.stderr.write("\n");
    await progress.step("Stopping", async () => {
      await supervisor.stop();
      socket?.close();
      if (begun) await stopNodes(paths);
    });
    rmSync(join(paths.run, "supervisor.pid"), { force: true });
  }
}

function stopRequested(): { promise: Promise<void>; requested: () => boolean } {
  let requested = false;
  const promise = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => {
        requested = true;
        resolve();
      });
    }
  });
  return { promise, requested: () => requested };
}

/** Settings from the command line over those of the last time over the defaults. */
async function settle(
  options: UpOptions,
  paths: Paths,
  progress: Progress,
): Promise<ClusterSettings> {
  const before = readSettings(paths);
  const count = options.nodes ?? before?.nodes.length ?? 1;
  if (!Number.isInteger(count) || count < 1) throw new UsageError("--nodes takes 1 or more");
  const wanted = options.runtime ?? before?.runtime ?? "auto";
  const runtime = await chooseRuntime(wanted, progress);
  if (runtime !== "simulated" && count > NODES_MAX) {
    throw new UsageError(`--nodes takes at most ${NODES_MAX}; more only with --runtime simulated`);
  }
  if (runtime === "process" && count > 1) {
    throw new UsageError("--runtime process gives one node; several need --runtime cri");
  }
  const natsUrl = options.nats ?? before?.natsUrl;
  // Downloaded before ports are chosen: another cluster may start meanwhile.
  if (natsUrl === undefined && before === undefined) await natsServerProgram(progress);
  const settings: ClusterSettings = {
    format: 1,
    name: "coxswain",
    apiPort: await apiPort(options.port, before?.apiPort),
    natsPort: await natsPort(before?.natsPort, paths),
    ...(natsUrl !== undefined && { natsUrl }),
    durability: options.durability ?? before?.durability ?? "strict",
    runtime,
    slot: slotFor(runtime, paths, before?.slot),
    nodes: Array.from({ length: count }, (_, index) => ({ name: nodeName(runtime, index), index })),
    replicas: before?.replicas ?? {},
    autoscale: before?.autoscale ?? {},
    grouping: before?.grouping ?? "packed",
  };
  const { replicas = {}, autoscale = {}, grouping } = options;
  const asked = scaled(settings, { type: "scale", replicas, autoscale, grouping });
  writeSettings(paths, asked);
  return asked;
}

async function apiPort(asked: number | undefined, before: number | undefined): Promise<number> {
  const fixed = asked ?? before;
  if (fixed === undefined) return firstFree(API_PORT);
  if (await isFree(fixed)) return fixed;
  throw new UsageError(`TCP port ${fixed} is in use; choose another with --port`);
}

/**
 * Nobody types this port, so each data folder has its own: clusters that start at the same moment
 * would all find the first of a list free, and the later ones would then talk to the first one's
 * server.
 */
async function natsPort(before: number | undefined, paths: Paths): Promise<number> {
  if (before !== undefined && (await isFree(before, "127.0.0.1"))) return before;
  const digest = createHash("sha256").update(paths.data).digest();
  return firstFree(NATS_PORTS[0] + (digest.readUInt32LE() % NATS_PORTS[1]));
}

/** Only real nodes take a network slot of the machine. */
function slotFor(runtime: NodeRuntime, paths: Paths, before: number | undefined): number {
  if (runtime !== "cri") return before ?? 0;
  return claimSlot({
    dataDirectory: paths.data,
    ...(before !== undefined && { preferred: before }),
  });
}

async function start(
  settings: ClusterSettings,
  paths: Paths,
  supervisor: Supervisor,
  socket: SharedSocket,
  progress: Progress,
): Promise<void> {
  const runtime = liveRuntime();
  const credentials = prepareAccess(settings, paths, runtime);
  if (settings.natsUrl === undefined) {
    const binary = await natsServerProgram(progress);
    supervisor.start(natsServer(binary, settings, paths, credentials));
  }
  if (settings.runtime === "cri") {
    await prepareHost(
      { runtime, logger: silentLogger, command: commands(runtime) },
      clusterNetwork(settings.slot),
    );
  }
  const begin = (planned: PlannedProcess) => supervisor.start(ownProcess(planned, paths, socket));
  for (const planned of layoutOf(settings)) begin(planned);
  const wait = { settings, paths, failing: () => supervisor.failing(ENDS_MAX) };
  await progress.step("Starting the control plane", () => untilReady(wait));
  await obeyOrders(settings, { paths, supervisor, start: begin });
  const nodes = settings.nodes.length === 1 ? "the node" : `${settings.nodes.length} nodes`;
  await progress.step(`Waiting for ${nodes} to be Ready`, () => untilNodesReady(wait));
}

function natsServerProgram(progress: Progress): Promise<string> {
  return progress.step("nats-server", (detail) => obtainServer(cacheFolder(), detail));
}

function natsServer(
  binary: string,
  settings: ClusterSettings,
  paths: Paths,
  credentials: Credentials,
): ProcessSpec {
  const configuration = serverConfig({
    name: `${settings.name}-${credentials.cluster}`,
    host: "127.0.0.1",
    port: settings.natsPort,
    storeDirectory: join(paths.nats, "jetstream"),
    logFile: join(paths.logs, "nats-server.log"),
    pidFile: join(paths.nats, "nats-server.pid"),
    durability: settings.durability,
    users: busUsers(credentials, settings),
  });
  writeWhole(paths.natsConfiguration, configuration);
  const args = ["-c", paths.natsConfiguration];
  return { name: NATS_SERVER, file: binary, args, nice: NICE.waitedFor };
}

/** Obeys the operator (`cox scale`, `actors`, `kill`, ...) as long as this process lives. */
async function obeyOrders(settings: ClusterSettings, options: ScalingOptions): Promise<void> {
  const source = { settings, credentials: options.paths.credentials };
  const operator = await connectBus(source, SUPERVISOR, OPERATOR_USER);
  const { bus } = operator;
  const scaling = new Scaling(settings, bus, options);
  const dependencies = { bus, logger: silentLogger };
  serveRequests(dependencies, orderSubject(SUPERVISOR), supervisorOrderSchema, async (order) => {
    if (order.type === "scale") return scaling.scale(order);
    if (order.type === "status") return scaling.status();
    return obeySignal(options.supervisor, order);
  });
  startAutoscaler(operator, scaling);
}

function ownProcess(planned: PlannedProcess, paths: Paths, socket: SharedSocket): ProcessSpec {
  const { name, kind } = planned;
  const args = [programFile("process.js"), kind, "--data", paths.data, "--process", name];
  const spec = { name, file: process.execPath, args };
  // Not a real node's: containers would inherit it.
  if (kind === "node" || kind === "host") return spec;
  if (kind !== "apiserver") return { ...spec, nice: NICE.others };
  const handed = [...args, "--socket", String(HANDED_FD)];
  return { ...spec, args: handed, socket: socket.fd, nice: NICE.waitedFor };
}
