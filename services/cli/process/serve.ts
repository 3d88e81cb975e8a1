/** The life of a process: from its connection to the bus to the signal that ends it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import type { Running } from "../../../shared/actor/dependencies.ts";
import { type OrderHandlers, serveOrders } from "../../../shared/actor/orders.ts";
import { liveRuntime } from "../../../shared/runtime/live.ts";
import { ProcessFaults } from "../../chaos/process/faults.ts";
import type { ClusterSettings, Paths } from "../cluster.ts";
import { repository } from "../folders.ts";
import type { PlannedProcess } from "../layout.ts";
import { connectBus, dependenciesOf } from "./bus.ts";
import {
  fixedActors,
  type ProcessContext,
  type ProcessKind,
  partOf,
  type RunningPart,
  userOf,
} from "./parts.ts";

export interface ProcessOptions extends PlannedProcess {
  readonly kind: ProcessKind;
  readonly paths: Paths;
  readonly settings: ClusterSettings;
  /** The descriptor of a port that others listen on as well. */
  readonly socket?: number;
}

/** Runs the actors of a process until it is told to end; then the process exits. */
export async function serve(options: ProcessOptions): Promise<void> {
  const level = process.env["COX_LOG_LEVEL"] ?? "info";
  const logger = pino({ base: { process: options.name }, level });
  logger.info({ pid: process.pid }, "starting");
  const starting = start(options.kind, { ...options, logger, runtime: liveRuntime() });
  let started = false;
  let stopping = false;
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
  process.on("unhandledRejection", (error) => logger.error({ err: error }, "unhandled rejection"));
  try {
    await starting;
    started = true;
    logger.info("started");
  } catch (error) {
    logger.fatal({ err: error }, "could not start");
    process.exit(1);
  }
}

async function start(
  kind: ProcessKind,
  settled: Omit<ProcessContext, "connection" | "bus" | "faults">,
): Promise<Running> {
  const { name, runtime, logger, settings, paths } = settled;
  const [part, served] = await Promise.all([
    partOf(kind),
    connectBus({ settings, credentials: paths.credentials }, name, userOf(kind, name)),
  ]);
  const { bus, connection } = served;
  const faults = new ProcessFaults(runtime, () => process.kill(process.pid, "SIGKILL"));
  // What the actors use may be broken on purpose; what orders come by may not.
  const own = { runtime: faults.runtime, bus: faults.bus(bus), faults };
  const context: ProcessContext = { ...settled, ...served, ...own };
  const running = part(context);
  // Obeyed from the first moment: a process that is still starting can be asked, too.
  const handlers = handlersOf(kind, context, running);
  const orders = serveOrders({ runtime, bus, logger }, name, handlers);
  const started = await running;
  return {
    stop: async () => {
      await started.stop();
      orders.stop();
      await connection.close();
    },
  };
}

function handlersOf(
  kind: ProcessKind,
  context: ProcessContext,
  starting: Promise<RunningPart>,
): OrderHandlers {
  const { name, runtime, settings } = context;
  const { replica } = dependenciesOf(context);
  const startedAt = runtime.clock.monotonic();
  const version = programVersion();
  let part: RunningPart | undefined;
  void starting.then(
    (running) => {
      part = running;
    },
    // Whoever waits for it says so.
    () => undefined,
  );
  const fixed = fixedActors(kind, settings.runtime).map((actor) => ({ actor, replica }));
  return {
    faults: context.faults,
    run: async (actors) => {
      const running = await starting;
      if (running.run === undefined) throw new Error(`what ${name} runs cannot be changed`);
      await running.run(actors);
    },
    state: async (withKeys) => {
      const { user, system } = process.cpuUsage();
      return {
        process: name,
        pid: process.pid,
        version,
        uptimeMs: Math.round(runtime.clock.monotonic() - startedAt),
        memoryBytes: process.memoryUsage.rss(),
        cpuMs: Math.round((user + system) / 1000),
        actors: part === undefined ? [] : (part.state?.(withKeys) ?? fixed),
      };
    },
  };
}

function programVersion(): string {
  const text = readFileSync(join(repository(), "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
