/** One process of a cluster: runs the actors that its name stands for until told to stop. */
import { parseArgs } from "node:util";
import { pino } from "pino";
import { liveRuntime } from "../../../shared/runtime/live.ts";
import { pathsOf, readSettings } from "../cluster.ts";
import { partOf } from "./parts.ts";

const { values } = parseArgs({
  options: { data: { type: "string" }, process: { type: "string" }, socket: { type: "string" } },
});
const { data = "", process: name = "" } = values;
const socket = values.socket === undefined ? {} : { socket: Number(values.socket) };
const paths = pathsOf(data);
const settings = readSettings(paths);
if (settings === undefined) throw new Error(`there is no cluster in ${data}`);
const level = process.env["COX_LOG_LEVEL"] ?? "info";
const logger = pino({ base: { process: name }, level });
const runtime = liveRuntime();
const part = partOf(name);
logger.info({ pid: process.pid }, "starting");
const starting = part({ name, paths, settings, logger, runtime, ...socket });

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
