import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Durability } from "../../nats/config.ts";
import { type Connection, connect } from "../../nats/connect.ts";
import {
  apiserverUser,
  type BusUser,
  controllersUser,
  nodeUser,
  systemUser,
} from "../../nats/permissions.ts";
import { obtainServer, type ServerProcess, startServer } from "../../nats/server.ts";
import type { Runtime } from "../../shared/runtime/runtime.ts";
import type { Version, WatchHandler, WriteHeaders } from "../../shared/store/store.ts";

/** Where programs that were fetched are kept. */
export function cacheDirectory(): string {
  return join(repository(dirname(fileURLToPath(import.meta.url))), ".cache");
}

/** The folder with package.json, wherever this file has been bundled to. */
function repository(folder: string): string {
  if (existsSync(join(folder, "package.json"))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error("no package.json above the tests");
  return repository(parent);
}

/** The parts of a runtime that stores and projections use, on the real clock. */
export const testRuntime: Runtime = {
  clock: { now: () => Date.now(), monotonic: () => performance.now() },
  timers: {
    after: (ms, run) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
    every: (ms, run) => {
      const timer = setInterval(run, ms);
      return () => clearInterval(timer);
    },
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  },
  random: { stream: () => ({ next: Math.random, integer: Math.floor, bytes: randomBytes }) },
  ids: { ulid: () => "", uuid: () => crypto.randomUUID() },
};

export const HEADERS: WriteHeaders = {
  actor: "test",
  replica: "test-1",
  trace: "01JD0000000000000000000000",
  cause: 0,
};

export const USERS: readonly BusUser[] = [
  apiserverUser("apiserver-password"),
  controllersUser("controllers-password", ["system:controller:replicaset"]),
  nodeUser("node.1", "node-password"),
  systemUser("system-password"),
];

/** A real nats-server in a folder of its own. */
export class TestServer {
  readonly directory: string;
  readonly port: number;
  readonly durability: Durability;
  readonly #binary: string;
  #process: ServerProcess | undefined;
  readonly #connections: Connection[] = [];

  private constructor(binary: string, directory: string, port: number, durability: Durability) {
    this.#binary = binary;
    this.directory = directory;
    this.port = port;
    this.durability = durability;
  }

  static async start(durability: Durability = "strict"): Promise<TestServer> {
    const binary = await obtainServer(cacheDirectory(), (message) => console.info(message));
    const directory = await mkdtemp(join(tmpdir(), "cox-test-nats-"));
    const server = new TestServer(binary, directory, await freePort(), durability);
    await server.startAgain();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** After `kill`: the same data, the same port. */
  async startAgain(): Promise<void> {
    this.#process = await startServer({
      binary: this.#binary,
      directory: this.directory,
      port: this.port,
      durability: this.durability,
      users: USERS,
    });
  }

  /** SIGKILL: nothing is flushed, nobody is told. */
  async kill(): Promise<void> {
    const server = this.#process;
    if (!server) return;
    process.kill(server.pid, "SIGKILL");
    await server.exited;
  }

  async connect(user = "apiserver"): Promise<Connection> {
    const password = USERS.find((each) => each.user === user)?.password ?? "";
    const connection = await connect({ url: this.url, user, password, name: "test" });
    this.#connections.push(connection);
    return connection;
  }

  async stop(): Promise<void> {
    for (const connection of this.#connections) await connection.close();
    await this.#process?.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      const port = typeof address === "object" && address ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}

/** Records what a watch delivers, and lets a test wait for it. */
export class Recorder implements WatchHandler {
  readonly versions: Version[] = [];
  caughtUpAt: number | undefined;
  error: Error | undefined;
  #waiting: (() => void)[] = [];

  version(version: Version): void {
    this.versions.push(version);
    this.#wake();
  }

  caughtUp(revision: number): void {
    this.caughtUpAt = revision;
    this.#wake();
  }

  failed(error: Error): void {
    this.error = error;
    this.#wake();
  }

  async until(condition: (recorder: this) => boolean, timeoutMs = 20_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!condition(this)) {
      const left = deadline - performance.now();
      if (left <= 0)
        throw new Error(`not within ${timeoutMs} ms; ${this.versions.length} versions`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

export function value(text: string): Buffer {
  return Buffer.from(text);
}
