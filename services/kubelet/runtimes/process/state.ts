import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ContainerConfig, SandboxConfig } from "../runtime.ts";

/**
 * What is known of sandboxes and containers, as files that outlive the kubelet: `config.json` says
 * what was asked for, `process` which process it is, `exit` how it ended.
 */
export interface SandboxRecord {
  readonly config: SandboxConfig;
  readonly createdAt: number;
  /** The machine's boot: a sandbox does not outlive it. */
  readonly boot: string;
  readonly stopped?: boolean;
}

export interface ContainerRecord {
  readonly config: ContainerConfig;
  readonly sandbox: string;
  readonly createdAt: number;
}

/** A process by its number and when it was started, since numbers come again. */
export interface ProcessRecord {
  readonly pid: number;
  readonly startTicks: string;
  readonly startedAt: number;
}

/** @returns undefined when there is no such file. @throws when it cannot be read. */
export function readRecord<T>(folder: string, name: string): T | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, name), "utf8")) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Whole or not at all. */
export function writeRecord(folder: string, name: string, record: unknown): void {
  const path = join(folder, name);
  writeFileSync(`${path}.new`, JSON.stringify(record));
  renameSync(`${path}.new`, path);
}

/** How a container ended: its exit code, and when. */
export function readExit(folder: string): { code: number; at: number } | undefined {
  try {
    const path = join(folder, "exit");
    const code = Number(readFileSync(path, "utf8").trim());
    return { code: Number.isInteger(code) ? code : 137, at: Math.floor(statSync(path).mtimeMs) };
  } catch {
    return undefined;
  }
}

/** The ticks at which a process was started; undefined when it is gone or only waits to be. */
export function startTicks(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** Processes that the process has started. */
export function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return text.split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

export function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}
