/** Processes by pid, and only such as show our data folder on their command line. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Paths } from "./cluster.ts";

const POLL_MS = 20;

/** The pid in a pid file. */
export function readPid(file: string): number | undefined {
  if (!existsSync(file)) return undefined;
  const pid = Number(readFileSync(file, "utf8").trim());
  return Number.isInteger(pid) && pid > 1 ? pid : undefined;
}

/** True when the process runs and belongs to the data folder: pids are given to others again. */
export function isAlive(pid: number, data: string): boolean {
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    const state = /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return line.includes(data) && state !== "Z";
  } catch {
    return false;
  }
}

/** The pid of the supervisor of the data folder, if one runs. */
export function supervisorOf(paths: Paths): number | undefined {
  const pid = readPid(join(paths.run, "supervisor.pid"));
  if (pid === undefined || pid === process.pid) return undefined;
  return isAlive(pid, paths.data) ? pid : undefined;
}

/** SIGTERM, and after `graceMs` SIGKILL; resolves when the process is gone. */
export async function endAndWait(pid: number, graceMs: number): Promise<void> {
  const deadline = Date.now() + graceMs;
  if (!send(pid, "SIGTERM")) return;
  let killed = false;
  while (runs(pid)) {
    if (!killed && Date.now() > deadline) {
      killed = true;
      send(pid, "SIGKILL");
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function runs(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}
