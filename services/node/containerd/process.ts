import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import type { Logger } from "../../../shared/actor/dependencies.ts";
import type { Runtime } from "../../../shared/runtime/runtime.ts";
import { allProcesses, processFacts, signal } from "../processes.ts";

export interface DaemonOptions {
  readonly runtime: Runtime;
  readonly logger: Logger;
  /** Path of the configuration file: names the daemon among all processes of the machine. */
  readonly configFile: string;
  readonly config: string;
  readonly socket: string;
  readonly logFile: string;
  readonly pidFile: string;
  readonly binary: string;
  /** Network namespace to run in (path); undefined: the host's. */
  readonly namespace: string | undefined;
}

/** A containerd that is kept running. */
export interface Daemon {
  readonly pid: number;
  /** True when it was running before, with its containers. */
  readonly adopted: boolean;
  /** Stops watching over it; containerd and its containers go on. */
  release(): void;
}

const READY_TIMEOUT_MS = 15_000;
const POLL_MS = 20;
const WATCH_MS = 100;
const BACKOFF_MS_MAX = 10_000;

/**
 * Starts containerd, or adopts the one that runs with this configuration, and starts it again
 * whenever it dies. It is a process group of its own, so that it survives the process that started
 * it. A change of the configuration restarts it; containers do not notice.
 * @throws Error when it does not answer in time; the message has the end of its log.
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const changed = writeIfChanged(options.configFile, options.config);
  let pid = findDaemon(options);
  if (pid !== undefined && changed) {
    await endProcess(options.runtime, pid);
    pid = undefined;
  }
  const adopted = pid !== undefined;
  const daemon = { pid: pid ?? launch(options), adopted, release: () => stopWatching() };
  await untilReady(options, daemon.pid);
  writeFileSync(options.pidFile, `${daemon.pid}\n`);
  const stopWatching = watch(options, daemon);
  return daemon;
}

/** The pid of the containerd that runs with this configuration. */
export function findDaemon(options: Pick<DaemonOptions, "configFile" | "pidFile">) {
  const isIt = (pid: number): boolean => isDaemon(processFacts(pid)?.arguments, options.configFile);
  const noted = readPid(options.pidFile);
  if (noted !== undefined && isIt(noted)) return noted;
  return allProcesses().find((facts) => isDaemon(facts.arguments, options.configFile))?.pid;
}

function isDaemon(line: readonly string[] | undefined, configFile: string): boolean {
  const at = line?.indexOf("--config") ?? -1;
  return line !== undefined && at > 0 && line[at + 1] === configFile;
}

/** Ends a process: asks it, and after two seconds leaves it no choice. */
export async function endProcess(runtime: Runtime, pid: number): Promise<void> {
  const startedAt = processFacts(pid)?.startedAt;
  const gone = (): boolean => processFacts(pid)?.startedAt !== startedAt;
  if (startedAt === undefined) return;
  for (const [name, patienceMs] of [
    ["SIGTERM", 2000],
    ["SIGKILL", 5000],
  ] as const) {
    if (gone()) return;
    signal(pid, name);
    const deadline = runtime.clock.monotonic() + patienceMs;
    while (!gone() && runtime.clock.monotonic() < deadline) await runtime.timers.sleep(POLL_MS);
  }
  if (!gone()) throw new Error(`process ${pid} does not end`);
}

function launch(options: DaemonOptions): number {
  mkdirSync(dirname(options.logFile), { recursive: true });
  mkdirSync(dirname(options.pidFile), { recursive: true });
  mkdirSync(dirname(options.socket), { recursive: true });
  // Left behind by one that was killed; a listener could not take its place.
  rmSync(options.socket, { force: true });
  rmSync(`${options.socket}.ttrpc`, { force: true });
  const log = openSync(options.logFile, "a");
  const line = [options.binary, "--config", options.configFile];
  if (options.namespace !== undefined) {
    line.unshift("nsenter", `--net=${options.namespace}`, "--");
  }
  try {
    const child = spawn(line[0]!, line.slice(1), { detached: true, stdio: ["ignore", log, log] });
    child.on("error", (error) => options.logger.error({ err: error }, "cannot start containerd"));
    child.unref();
    if (child.pid === undefined) throw new Error(`cannot start ${line.join(" ")}`);
    return child.pid;
  } finally {
    closeSync(log);
  }
}

async function untilReady(options: DaemonOptions, pid: number): Promise<void> {
  const deadline = options.runtime.clock.monotonic() + READY_TIMEOUT_MS;
  while (!(await answers(options.socket))) {
    const ended = processFacts(pid) === undefined;
    if (ended || options.runtime.clock.monotonic() > deadline) {
      const what = ended ? "ended at once" : "does not answer";
      throw new Error(`containerd ${what}; see ${options.logFile}: ${lastLine(options.logFile)}`);
    }
    await options.runtime.timers.sleep(POLL_MS);
  }
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.once("connect", () => {
      connection.destroy();
      resolve(true);
    });
    connection.once("error", () => resolve(false));
  });
}

/** Looks after the daemon by its pid: an adopted one is nobody's child here. */
function watch(options: DaemonOptions, daemon: { pid: number }): () => void {
  let stopped = false;
  let failures = 0;
  let bornAt = options.runtime.clock.monotonic();
  const loop = async (): Promise<void> => {
    while (!stopped) {
      await options.runtime.timers.sleep(WATCH_MS);
      if (stopped || processFacts(daemon.pid) !== undefined) continue;
      if (options.runtime.clock.monotonic() - bornAt > BACKOFF_MS_MAX) failures = 0;
      if (failures > 0) {
        const pauseMs = Math.min(100 * 2 ** failures, BACKOFF_MS_MAX);
        await options.runtime.timers.sleep(pauseMs);
        if (stopped) return;
      }
      failures++;
      options.logger.warn({ pid: daemon.pid }, "containerd has died; starting it again");
      bornAt = options.runtime.clock.monotonic();
      try {
        daemon.pid = findDaemon(options) ?? launch(options);
        await untilReady(options, daemon.pid);
        writeFileSync(options.pidFile, `${daemon.pid}\n`);
      } catch (error) {
        options.logger.error({ err: error }, "containerd cannot be started");
      }
    }
  };
  void loop();
  return () => {
    stopped = true;
  };
}

function writeIfChanged(path: string, text: string): boolean {
  mkdirSync(dirname(path), { recursive: true });
  try {
    if (readFileSync(path, "utf8") === text) return false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  writeFileSync(path, text);
  return true;
}

function readPid(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, "utf8").trim());
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function lastLine(path: string): string {
  try {
    return readFileSync(path, "utf8").trim().split("\n").at(-1) ?? "";
  } catch {
    return "no log";
  }
}
