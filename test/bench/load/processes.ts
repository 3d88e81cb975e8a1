/** What processes on this machine use, read from /proc. */
import { readFileSync, writeFileSync } from "node:fs";

export interface Process {
  readonly name: string;
  readonly pid: number;
}

export interface Usage {
  readonly name: string;
  /** MB, shared pages divided among those who share them. */
  readonly pss: number;
  readonly rss: number;
  /** Since its start, or since `forgetPeaks`. */
  readonly peakRss: number;
  /** Since its start. */
  readonly cpuSeconds: number;
}

/** Of `getconf CLK_TCK`; Linux shows user space 100 on every architecture. */
const TICKS_PER_SECOND = 100;

/** Of the processes that still run. */
export function usageOf(processes: readonly Process[]): Usage[] {
  return processes.flatMap(({ name, pid }) => {
    try {
      const memory = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      // After the name in parentheses, which may hold blanks: field 3 and on.
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
      const [user = "0", system = "0"] = fields.slice(11, 13);
      return {
        name,
        pss: megabytes(memory, "Pss"),
        rss: megabytes(memory, "Rss"),
        peakRss: megabytes(status, "VmHWM"),
        cpuSeconds: (Number(user) + Number(system)) / TICKS_PER_SECOND,
      };
    } catch {
      return [];
    }
  });
}

/** Lets the peaks of resident memory begin anew, where the system allows it. */
export function forgetPeaks(processes: readonly Process[]): void {
  for (const { pid } of processes) {
    try {
      writeFileSync(`/proc/${pid}/clear_refs`, "5");
    } catch {
      // Another user's process, or gone: the peak is the one since its start.
    }
  }
}

function megabytes(text: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) / 1024;
}

/** CPU seconds of each process between two looks; of one started anew meanwhile, since then. */
export function cpuBetween(before: readonly Usage[], after: readonly Usage[]): Map<string, number> {
  const start = new Map(before.map(({ name, cpuSeconds }) => [name, cpuSeconds]));
  return new Map(
    after.map(({ name, cpuSeconds }) => {
      const used = cpuSeconds - (start.get(name) ?? 0);
      return [name, used < 0 ? cpuSeconds : used] as const;
    }),
  );
}

/** Nodes stand for other machines: shown, but no part of the control plane. */
export function controlPlane(used: ReadonlyMap<string, number>): Map<string, number> {
  return new Map([...used].filter(([name]) => !isNodes(name)));
}

/** Processes of nodes, simulated or played, are named so. */
export function isNodes(name: string): boolean {
  return name.startsWith("node");
}

export function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
