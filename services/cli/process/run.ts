import { parseArgs } from "node:util";
import { type Logger, pino } from "pino";
import type { Running } from "../../../shared/actor/dependencies.ts";
import { liveRuntime } from "../../../shared/runtime/live.ts";
import { pathsOf, readSettings } from "../cluster.ts";
import type { Part, ProcessContext } from "./context.ts";

/** One process of a cluster: runs the actors that it is for until told to stop. */
export async function runProcess(part: Part): Promise<void> {
  const { logger, ...rest } = readContext();
  logger.info({ pid: process.pid }, "starting");
  process.on("unhandledRejection", (error) => logger.error({ err: error }, "unhandled rejection"));
  const starting = part({ ...rest, logger });
  stopOnSignal(starting, logger);
  try {
    await starting;
    logger.info({ tookMs: Math.round(performance.now()) }, "started");
  } catch (error) {
    logger.fatal({ err: error }, "could not start");
    process.exit(1);
  }
}

function readContext(): ProcessContext & { readonly logger: Logger } {
  const { values } = parseArgs({
    options: { data: { type: "string" }, process: { type: "string" }, socket: { type: "string" } },
  });
  const { data = "", process: name = "", socket } = values;
  const paths = pathsOf(data);
  const settings = readSettings(paths);
  if (settings === undefined) throw new Error(`there is no cluster in ${data}`);
  const level = process.env["COX_LOG_LEVEL"] ?? "info";
  const logger = pino({ base: { process: name }, level });
  const runtime = liveRuntime();
  const handed = socket === undefined ? {} : { socket: Number(socket) };
  return { name, paths, settings, logger, runtime, ...handed };
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
