/** The life of a process: from its connection to the bus to the signal that ends it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import type { Running } from "../../../shared/actor/dependencies.ts";
import type { FaultSwitch } from "../../../shared/actor/faults.ts";
import { type OrderHandlers, serveOrders } from "../../../shared/actor/orders.ts";
import { liveRuntime } from "../../../shared/runtime/live.ts";
import { ProcessFaults } from "../../chaos/process/faults.ts";
import type { ClusterSettings, Paths } from "../cluster.ts";
import { repository } from "../folders.ts";
import { connectBus, userOf } from "./bus.ts";
import { type Part, type ProcessContext, partOf, type RunningPart } from "./parts.ts";

export interface ProcessOptions {
  readonly name: string;
  readonly paths: Paths;
  readonly settings: ClusterSettings;
  /** The descriptor of a port that others listen on as well. */
  readonly socket?: number;
}

/** Runs the actors of a process until it is told to end; then the process exits. */
export async function serve(options: ProcessOptions): Promise<void> {
  const level = process.env["COX_LOG_LEVEL"] ?? "info";
  const logger = pino({ base: { process: options.name }, level });
  const part = partOf(options.name);
  logger.info({ pid: process.pid }, "starting");
  const starting = start(part, { ...options, logger, runtime: liveRuntime() });
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
  part: Part,
  settled: Omit<ProcessContext, "connection" | "bus" | "faults">,
): Promise<Running> {
  const { name, runtime, logger } = settled;
  const served = await connectBus(settled, name, userOf(name));
  const { bus, connection } = served;
  const faults = new ProcessFaults(runtime, () => process.kill(process.pid, "SIGKILL"));
  // What the actors use may be broken on purpose; what orders come by may not.
  const own = { runtime: faults.runtime, bus: faults.bus(bus), faults };
  const context: ProcessContext = { ...settled, ...served, ...own };
  const running = part(context);
  // Obeyed from the first moment: a process that is still starting can be asked, too.
  const handlers = handlersOf(context, running, faults);
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
  { name, runtime }: ProcessContext,
  starting: Promise<RunningPart>,
  faults: FaultSwitch,
): OrderHandlers {
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
  return {
    faults,
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
        actors: part?.state?.(withKeys) ?? [],
      };
    },
  };
}

function programVersion(): string {
  const text = readFileSync(join(repository(), "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
