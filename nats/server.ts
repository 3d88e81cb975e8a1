import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { nuid } from "nats";
import { type Durability, serverConfig } from "./config.ts";
import { connect } from "./connect.ts";
import type { BusUser } from "./permissions.ts";

export { obtainServer } from "./binary.ts";

export interface ServerOptions {
  /** Path of nats-server; see obtainServer. */
  readonly binary: string;
  /** Its folder: nats.conf, nats-server.log, nats-server.pid, and the data under jetstream/. */
  readonly directory: string;
  readonly port: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  readonly durability: Durability;
  /** See ServerSettings.sync. */
  readonly sync?: string;
  /** With a system user, the running server's durability is checked. */
  readonly users: readonly BusUser[];
}

export interface ServerProcess {
  readonly pid: number;
  /** `nats://host:port` */
  readonly url: string;
  /** Resolves when the process has ended, however. */
  readonly exited: Promise<ServerExit>;
  /** Ends the process: politely, and after five seconds not. Resolves when it is gone. */
  stop(): Promise<void>;
}

export interface ServerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const READY_MS = 15_000;
/**
 * How much garbage the server may gather, in percent of what it uses; its language's default is
 * 100. After 60,000 writes of 1 KB it held 147 MB so, 179 MB by default, at the same CPU time.
 */
const GARBAGE_PERCENT = "50";
const STOP_MS = 5_000;

/**
 * Writes the configuration, starts nats-server as a child process and waits until it is ready.
 * @throws Error when strict durability is asked for with a weaker setting, when the server ends at
 *   once (with the end of its log), and when something else answers on its port.
 */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const { directory, port, durability, users } = options;
  const host = options.host ?? "127.0.0.1";
  const name = `cox-${nuid.next()}`;
  const configFile = join(directory, "nats.conf");
  const logFile = join(directory, "nats-server.log");
  const config = serverConfig({
    name,
    host,
    port,
    storeDirectory: join(directory, "jetstream"),
    logFile,
    pidFile: join(directory, "nats-server.pid"),
    durability,
    ...(options.sync === undefined ? {} : { sync: options.sync }),
    users,
  });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeFile(configFile, config, { mode: 0o600 });
  const env = { GOGC: GARBAGE_PERCENT, ...process.env };
  const child = spawn(options.binary, ["-c", configFile], { stdio: "ignore", env });
  const exited = exitOf(child);
  const url = `nats://${host}:${port}`;
  const server: ServerProcess = {
    pid: child.pid ?? 0,
    url,
    exited,
    stop: () => stop(child, exited),
  };
  try {
    const early = exited.then(async ({ code, signal }) => {
      throw new Error(`nats-server ended with ${code ?? signal}: ${await endOf(logFile)}`);
    });
    await Promise.race([early, ready(url, name, durability, users)]);
    early.catch(() => {});
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

function exitOf(child: ChildProcess): Promise<ServerExit> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
    child.once("error", () => resolve({ code: null, signal: null }));
  });
}

async function stop(child: ChildProcess, exited: Promise<ServerExit>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await exited;
  clearTimeout(timer);
}

/** Resolves when this very server answers, JetStream included, with the durability asked for. */
async function ready(
  url: string,
  name: string,
  durability: Durability,
  users: readonly BusUser[],
): Promise<void> {
  const system = users.find((user) => user.system);
  const user = users.find((each) => each.publish.includes("$JS.API.>"));
  const deadline = Date.now() + READY_MS;
  if (user) {
    const answer = await ask(url, name, user, "$JS.API.INFO", deadline);
    if (answer["error"]) throw new Error(`JetStream is off: ${JSON.stringify(answer["error"])}`);
  }
  if (!system) return;
  const answer = await ask(url, name, system, "$SYS.REQ.SERVER.PING.VARZ", deadline);
  const config = (answer["data"] as Varz | undefined)?.jetstream?.config;
  if (durability === "strict" && config?.sync_always !== true) {
    throw new Error("nats-server does not sync every write; strict durability needs it to");
  }
}

interface Varz {
  readonly jetstream?: { readonly config?: { readonly sync_always?: boolean } };
}

async function ask(
  url: string,
  name: string,
  user: BusUser,
  subject: string,
  deadline: number,
): Promise<Record<string, unknown>> {
  const timeoutMs = Math.max(0, deadline - Date.now());
  const login = { user: user.user, password: user.password };
  const connection = await connect({ url, ...login, name: "readiness", timeoutMs });
  try {
    const { nats } = connection;
    if (nats.info?.server_name !== name) {
      throw new Error(`another NATS server, ${nats.info?.server_name}, answers at ${url}`);
    }
    for (;;) {
      try {
        const answer = await nats.request(subject, "", { timeout: 1_000 });
        return answer.json<Record<string, unknown>>();
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  } finally {
    await connection.close();
  }
}

async function endOf(file: string): Promise<string> {
  try {
    const lines = (await readFile(file, "utf8")).trim().split("\n");
    return lines.slice(-3).join("; ");
  } catch {
    return "it left no log";
  }
}
