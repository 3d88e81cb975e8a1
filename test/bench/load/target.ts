/** What is measured: a cluster of our own for the time of the run, or any API server. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { Client, type Target } from "./client.ts";
import type { Process } from "./processes.ts";

const PROGRAM = join(process.cwd(), "dist", "cox.js");
const POLL_MS = 5;

export interface Cluster {
  readonly target: Target;
  readonly processes: readonly Process[];
  readonly description: string;
  /** Milliseconds from the start of the program; absent for a server that ran already. */
  readonly startUp?: { readonly answered: number; readonly ready: number };
  stop(): void;
}

interface Status {
  readonly durability: string;
  readonly runtime: string;
  readonly supervisor: number;
  readonly processes: readonly Process[];
}

/** Starts a cluster of simulated nodes in a temporary folder; `stop` removes it. */
export async function ownCluster(nodes: number, durability: string): Promise<Cluster> {
  const data = mkdtempSync(join(tmpdir(), "coxswain-bench-"));
  const port = await freePort();
  const started = performance.now();
  const own = ["--data", data, "--port", String(port), "--durability", durability];
  const args = ["up", "--detach", ...own, "--runtime", "simulated", "--nodes", String(nodes)];
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ["ignore", "pipe", "pipe"] });
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
  const stop = (): void => {
    spawnSync(process.execPath, [PROGRAM, "down", "--data", data, "--purge"]);
    rmSync(data, { recursive: true, force: true });
  };
  const answered = await firstAnswer(data, started, () => ended !== undefined);
  if ((await exit) !== 0) {
    stop();
    throw new Error(`the cluster did not start:\n${output}`);
  }
  const ready = performance.now() - started;
  const status = statusOf(data);
  const { runtime, supervisor, processes } = status;
  return {
    target: fromKubeconfig(join(data, "kubeconfig")),
    processes: [...processes, { name: "supervisor", pid: supervisor }],
    description: `${nodes} ${runtime} nodes, durability: ${status.durability}`,
    startUp: { answered, ready },
    stop,
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
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    } finally {
      client?.close();
    }
  }
  return Number.NaN;
}

function statusOf(data: string): Status {
  const { stdout } = spawnSync(process.execPath, [PROGRAM, "status", "--data", data, "-o", "json"]);
  return JSON.parse(stdout.toString()) as Status;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

interface Kubeconfig {
  readonly "current-context": string;
  readonly contexts: readonly { name: string; context: { cluster: string; user: string } }[];
  readonly clusters: readonly { name: string; cluster: Record<string, string> }[];
  readonly users: readonly { name: string; user: Record<string, string> }[];
}

/** The server and credentials of a kubeconfig's current context. */
export function fromKubeconfig(file: string): Target {
  const config = parse(readFileSync(file, "utf8")) as Kubeconfig;
  const current = config.contexts.find(({ name }) => name === config["current-context"])?.context;
  const cluster = config.clusters.find(({ name }) => name === current?.cluster)?.cluster ?? {};
  const user = config.users.find(({ name }) => name === current?.user)?.user ?? {};
  const pem = (from: Record<string, string>, field: string): string | undefined => {
    const data = from[`${field}-data`];
    if (data !== undefined) return Buffer.from(data, "base64").toString();
    const path = from[field];
    return path === undefined ? undefined : readFileSync(path, "utf8");
  };
  const [cert, key] = [pem(user, "client-certificate"), pem(user, "client-key")];
  return {
    server: cluster["server"] ?? "",
    ca: pem(cluster, "certificate-authority"),
    ...(cert !== undefined && key !== undefined && { cert, key }),
    ...(user["token"] !== undefined && { token: user["token"] }),
  };
}

/** A server that runs already. Only with its process ids is there anything to say of its use. */
export function givenCluster(target: Target, pids: readonly string[]): Cluster {
  const processes = pids.map((each) => {
    const [name = "", pid = ""] = each.split("=");
    return { name, pid: Number(pid) };
  });
  const description = `${target.server}, durability: as its owner set it`;
  return { target, processes, description, stop: () => {} };
}
