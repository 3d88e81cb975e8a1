import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Logger, pino } from "pino";
import type { Running } from "../../../shared/actor/dependencies.ts";
import {
  type OrderHandlers,
  type ProcessState,
  serveOrders,
} from "../../../shared/actor/orders.ts";
import { liveRuntime } from "../../../shared/runtime/live.ts";
import type { Runtime } from "../../../shared/runtime/runtime.ts";
import { ProcessFaults } from "../../chaos/process/faults.ts";
import { type ClusterSettings, pathsOf, readSettings } from "../cluster.ts";
import { repository } from "../folders.ts";
import { layoutOf, type PlannedProcess, type ProcessKind } from "../layout.ts";
import { type BusConnection, connectBus, replicaOf } from "./bus.ts";
import type { Part, ProcessContext, RunningPart } from "./context.ts";
import { fixedActors, userOf } from "./kinds.ts";

/** One process of a cluster: runs the actors that it is for until told to stop. */
export async function runProcess(part: Part): Promise<void> {
  const begun = readContext();
  const { logger } = begun;
  logger.info({ pid: process.pid }, "starting");
  process.on("unhandledRejection", (error) => logger.error({ err: error }, "unhandled rejection"));
  const starting = start(part, begun);
  stopOnSignal(starting, logger);
  try {
    await starting;
    logger.info({ tookMs: Math.round(performance.now()) }, "started");
  } catch (error) {
    logger.fatal({ err: error }, "could not start");
    process.exit(1);
  }
}

interface Begun {
  readonly context: ProcessContext;
  readonly planned: PlannedProcess;
  readonly logger: Logger;
  /** Never broken, and so is the bus. */
  readonly runtime: Runtime;
  readonly connected: Promise<BusConnection>;
}

function readContext(): Begun {
  const { values, positionals } = parseArgs({
    // The program of this kind has been chosen by the first word.
    allowPositionals: true,
    options: {
      ...{ data: { type: "string" }, process: { type: "string" }, socket: { type: "string" } },
      actors: { type: "string" },
    },
  });
  const { data = "", process: name = "", socket, actors } = values;
  const paths = pathsOf(data);
  const settings = readSettings(paths);
  if (settings === undefined) throw new Error(`there is no cluster in ${data}`);
  const planned = alone(positionals[0], name, actors) ?? plannedOf(settings, name);
  const level = process.env["COX_LOG_LEVEL"] ?? "info";
  const logger = pino({ base: { process: name }, level });
  const runtime = liveRuntime();
  const { credentials } = paths;
  const connected = connectBus({ settings, credentials }, name, userOf(planned.kind, name));
  const faults = new ProcessFaults(runtime, () => process.kill(process.pid, "SIGKILL"));
  const context = {
    name,
    paths,
    settings,
    logger,
    faults,
    // What the actors use may be broken on purpose; what orders come by may not.
    runtime: faults.runtime,
    connecting: connected.then(({ connection, bus }) => ({ connection, bus: faults.bus(bus) })),
    actors: planned.actors,
    ...(socket !== undefined && { socket: Number(socket) }),
  };
  return { context, planned, logger, runtime, connected };
}

function plannedOf(settings: ClusterSettings, name: string): PlannedProcess {
  const planned = layoutOf(settings).find((each) => each.name === name);
  if (planned === undefined) throw new Error(`the cluster has no process called ${name}`);
  return planned;
}

/** A process that no supervisor has planned: `cox run` says what it is. */
function alone(kind = "", name: string, actors: string | undefined): PlannedProcess | undefined {
  if (actors === undefined) return undefined;
  return { name, kind: kind as ProcessKind, actors: actors.split(",").filter(Boolean) };
}

async function start(part: Part, begun: Begun): Promise<Running> {
  const { context, runtime, logger, connected } = begun;
  const running = part(context);
  // Obeyed as soon as there is a bus: a process that is still starting can be asked, too.
  const serving = connected.then(({ bus, connection }) => {
    const handlers = handlersOf(begun, running);
    return { connection, orders: serveOrders({ runtime, bus, logger }, context.name, handlers) };
  });
  const [started, { connection, orders }] = await Promise.all([running, serving]);
  return {
    stop: async () => {
      await started.stop();
      orders.stop();
      await connection.close();
    },
  };
}

function handlersOf(
  { context, planned, runtime }: Begun,
  starting: Promise<RunningPart>,
): OrderHandlers {
  const { name, settings } = context;
  const startedAt = runtime.clock.monotonic();
  let part: RunningPart | undefined;
  void starting.then(
    (running) => {
      part = running;
    },
    // Whoever waits for it says so.
    () => undefined,
  );
  const replica = replicaOf(context);
  const fixed = fixedActors(planned.kind, settings.runtime).map((actor) => ({ actor, replica }));
  return {
    faults: context.faults,
    profile: async (forMs) => {
      const { profileCpu } = await import("./profile.ts");
      return profileCpu(runtime, forMs);
    },
    run: async (actors) => {
      const running = await starting;
      if (running.run === undefined) throw new Error(`what ${name} runs cannot be changed`);
      await running.run(actors);
    },
    state: async (withKeys) => ({
      process: name,
      ...processFigures(),
      uptimeMs: Math.round(runtime.clock.monotonic() - startedAt),
      actors: part === undefined ? [] : (part.state?.(withKeys) ?? fixed),
    }),
  };
}

function processFigures(): Pick<ProcessState, "pid" | "version" | "memoryBytes" | "cpuMs"> {
  const { user, system } = process.cpuUsage();
  return {
    pid: process.pid,
    version: programVersion(),
    memoryBytes: process.memoryUsage.rss(),
    cpuMs: Math.round((user + system) / 1000),
  };
}

let version: string | undefined;

/** Read when somebody asks. */
function programVersion(): string {
  if (version === undefined) {
    const text = readFileSync(join(repository(), "package.json"), "utf8");
    version = (JSON.parse(text) as { version: string }).version;
  }
  return version;
}

function stopOnSignal(starting: Promise<Running>, logger: Logger): void {
  let started = false;
  let stopping = false;
  const begun = () => {
    started = true;
  };
  starting.then(begun, () => undefined);
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      logger.info({ signal, started }, "stopping");
      if (!started) process.exit(0);
      starting
        .then((running) => running.stop())
        .then(
          () => process.exit(0),
          (error: unknown) => {
            logger.error({ err: error }, "stopping failed");
            process.exit(1);
          },
        );
    });
  }
}
