/** What is measured: clusters of our own for the time of the run, and any API servers. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { isAlive, readPid } from "../../../services/cli/pids.ts";
import { Client, type Target } from "./client.ts";
import { fromKubeconfig } from "./kubeconfig.ts";
import { pause } from "./lanes.ts";
import type { Process } from "./processes.ts";

const POLL_MS = 5;

/** Milliseconds from the start of the program, of a new cluster. */
export interface StartUp {
  readonly answered: number;
  /** To the first Ready node. */
  readonly ready?: number;
}

export interface Cluster {
  readonly target: Target;
  /** Those known now: one that was restarted has another pid. */
  readonly processes: readonly Process[];
  readonly description: string;
  /** Absent where nobody knows. */
  readonly startUp?: StartUp;
  /** Started by this program. */
  readonly own: boolean;
  stop(): Promise<void>;
}

export interface OwnOptions {
  /** The checkout whose build is measured. */
  readonly checkout: string;
  readonly nodes: number;
  readonly durability: string;
}

/** Starts a cluster of simulated nodes in a temporary folder; `stop` removes it. */
export async function ownCluster({ checkout, nodes, durability }: OwnOptions): Promise<Cluster> {
  const program = join(resolve(checkout), "dist", "cox.js");
  const data = mkdtempSync(join(tmpdir(), "coxswain-bench-"));
  const port = await freePort();
  const started = performance.now();
  const own = ["--data", data, "--port", String(port), "--durability", durability];
  const args = ["up", "--detach", ...own, "--runtime", "simulated", "--nodes", String(nodes)];
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (part: Buffer) => {
      output += part.toString();
    });
  }
  let ended: number | undefined;
  const exit = new Promise<number>((resolve) => {
    child.once("exit", (code) => {
      ended = code ?? 1;
      resolve(ended);
    });
  });
  const stop = async (): Promise<void> => {
    spawnSync(process.execPath, [program, "down", "--data", data, "--purge"]);
    rmSync(data, { recursive: true, force: true });
  };
  const answered = await firstAnswer(data, started, () => ended !== undefined);
  if ((await exit) !== 0) {
    await stop();
    throw new Error(`the cluster did not start:\n${output}`);
  }
  const ready = performance.now() - started;
  const target = fromKubeconfig(join(data, "kubeconfig"));
  const description = `${nodes} simulated nodes, durability: ${durability}`;
  const startUp = { answered, ready };
  return {
    ...{ target, description, startUp, own: true, stop },
    get processes() {
      return processesOf(data);
    },
  };
}

/** A 200 to GET /version, asked again and again from the moment of the start. */
async function firstAnswer(data: string, started: number, ended: () => boolean): Promise<number> {
  while (!ended()) {
    let client: Client | undefined;
    try {
      client = new Client(fromKubeconfig(join(data, "kubeconfig")), 1);
      await client.ok("GET", "/version");
      return performance.now() - started;
    } catch {
      await pause(POLL_MS);
    } finally {
      client?.close();
    }
  }
  return Number.NaN;
}

/** Of a cluster's data folder. */
export function processesOf(data: string): Process[] {
  const run = join(data, "run");
  return readdirSync(run).flatMap((file) => {
    const pid = readPid(join(run, file));
    if (!file.endsWith(".pid") || pid === undefined || !isAlive(pid, data)) return [];
    return [{ name: file.slice(0, -".pid".length), pid }];
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
