/** Clusters whose curves are measured: our own of any size, or one that runs already. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathsOf } from "../../../services/cli/cluster.ts";
import { firstFree } from "../../../services/cli/ports.ts";
import type { Target } from "../load/client.ts";
import { fromKubeconfig } from "../load/kubeconfig.ts";
import type { Process } from "../load/processes.ts";
import { processesOf } from "../load/target.ts";
import { readPeer } from "../peers/start.ts";

export interface Cluster {
  readonly target: Target;
  /** Those that run now. */
  processes(): Process[];
  /** Where it keeps its data; undefined when that is not ours to know. */
  readonly data?: string;
  /** Milliseconds until every node was Ready. */
  readonly startUpMs?: number;
  stop(): void;
}

export interface ClusterOptions {
  readonly nodes: number;
  /** By actor; `apiserver` and `controllers` among them. */
  readonly replicas?: Readonly<Record<string, number>>;
  readonly environment?: Readonly<Record<string, string>>;
}

const PROGRAM = join(process.cwd(), "dist", "cox.js");
const FIRST_PORT = 23_000;

/** A cluster of simulated nodes in a temporary folder; `stop` removes it. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const data = mkdtempSync(join(tmpdir(), "coxswain-curve-"));
  const port = await firstFree(FIRST_PORT);
  const replicas = Object.entries(options.replicas ?? {}).map(([actor, n]) => `${actor}=${n}`);
  const args = [
    ...[PROGRAM, "up", "--detach", "--data", data, "--port", String(port)],
    ...["--runtime", "simulated", "--nodes", String(options.nodes)],
    ...(replicas.length > 0 ? ["--replicas", replicas.join(",")] : []),
  ];
  const stop = (): void => {
    spawnSync(process.execPath, [PROGRAM, "down", "--data", data, "--purge"]);
    rmSync(data, { recursive: true, force: true });
  };
  const began = performance.now();
  const failure = await run(args, options.environment ?? {});
  const startUpMs = performance.now() - began;
  if (failure !== undefined) {
    stop();
    throw new Error(`a cluster of ${options.nodes} nodes did not start: ${failure}`);
  }
  const target = fromKubeconfig(pathsOf(data).kubeconfig);
  return { target, processes: () => processesOf(data), data, startUpMs, stop };
}

/** The cluster of a folder with peer.json; it is left running. */
export function givenCluster(
  directory: string,
): Cluster & { readonly name: string; readonly durability: string } {
  const peer = readPeer(directory);
  if (peer === undefined) throw new Error(`there is no peer.json in ${directory}`);
  const processes = Object.entries(peer.processes).map(([name, pid]) => ({ name, pid }));
  const target = fromKubeconfig(peer.kubeconfig);
  const { name, durability } = peer;
  return { name, durability, target, processes: () => processes, stop: () => {} };
}

/** What it printed, when it failed. */
function run(args: string[], environment: Record<string, string>): Promise<string | undefined> {
  return new Promise((resolve) => {
    const env = { ...process.env, ...environment };
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    const output: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (part: Buffer) => output.push(part));
    }
    child.once("exit", (code) =>
      resolve(code === 0 ? undefined : Buffer.concat(output).toString()),
    );
  });
}
