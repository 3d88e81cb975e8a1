import { readdirSync, readFileSync } from "node:fs";

/** What the kernel tells about a process; undefined once it has ended. */
export interface ProcessFacts {
  readonly pid: number;
  readonly parent: number;
  readonly arguments: readonly string[];
  /** Jiffies since boot: with the pid, names the process for good, since pids are used again. */
  readonly startedAt: string;
}

/** Reads /proc; a process that has ended and only waits to be collected counts as gone. */
export function processFacts(pid: number): ProcessFacts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The program's name stands in parentheses and may contain any character.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return undefined;
    return {
      pid,
      parent: Number(fields[1]),
      arguments: readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1),
      startedAt: fields[19] ?? "",
    };
  } catch {
    return undefined;
  }
}

/** All processes that can be seen. */
export function allProcesses(): ProcessFacts[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => processFacts(Number(name)))
    .filter((facts) => facts !== undefined);
}

/** Sends a signal; a process that is gone already is no error. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
