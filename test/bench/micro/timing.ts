/**
 * Measures a piece of work: its time in several rounds, the median and the best of them, and the
 * bytes that it allocates. Bytes are counted in a process of its own without any collection in
 * between: a figure that does not depend on what else the machine does.
 */
import { spawnSync } from "node:child_process";
import { getHeapStatistics } from "node:v8";
import { format, quantile } from "../load/report.ts";

const WARM_UP_MS = 150;
const ROUND_MS = 60;
const ROUNDS = 7;
const ROUNDS_COUNTED = 25;
/** What a round may allocate stays in the young generation, which is never collected meanwhile. */
const YOUNG_MB = 1_024;
const COUNTING = "--count-bytes";
const MARK = "bytes:";

/** This process only counts bytes; nobody reads what it prints otherwise. */
export const counting = process.argv.includes(COUNTING);

const counted = counting ? new Map<string, number>() : countInChild();

function countInChild(): Map<string, number> {
  const young = [`--min-semi-space-size=${YOUNG_MB}`, `--max-semi-space-size=${YOUNG_MB}`];
  // Compiling on another thread would make the same run allocate differently each time.
  const flags = ["--expose-gc", "--single-threaded", ...young];
  const args = [...flags, process.argv[1] ?? "", COUNTING];
  const { stdout } = spawnSync(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const lines = stdout
    .toString()
    .split("\n")
    .filter((line) => line.startsWith(MARK));
  return new Map(lines.map((line) => JSON.parse(line.slice(MARK.length)) as [string, number]));
}

/**
 * Prints microseconds for each of the `units` that one call works on. The best round is the
 * steadier figure where the machine is shared.
 */
export function time(what: string, units: number, work: () => unknown): void {
  const batch = warmUp(work);
  const run = (): void => {
    for (let each = 0; each < batch; each++) use(work());
  };
  if (counting) {
    const rounds = Array.from({ length: ROUNDS_COUNTED }, () => bytesOf(run) / (batch * units));
    // The least: later rounds run code that is better compiled, and it allocates less.
    report(what, Math.min(...rounds));
    return;
  }
  const rounds = Array.from({ length: ROUNDS }, () => {
    const start = performance.now();
    run();
    return ((performance.now() - start) * 1000) / (batch * units);
  });
  print(what, quantile(rounds, 0.5), Math.min(...rounds));
}

/** The same for work that takes long and changes what it works on: prepared anew each time. */
export async function timeOnce<Prepared>(
  what: string,
  units: number,
  prepare: () => Prepared | Promise<Prepared>,
  work: (prepared: Prepared) => unknown,
): Promise<void> {
  const rounds: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const prepared = await prepare();
    collect();
    const before = counting ? allocated() : performance.now();
    use(await work(prepared));
    const used = (counting ? allocated() : performance.now()) - before;
    if (round > 0) rounds.push(used / units);
  }
  if (counting) report(what, quantile(rounds, 0.5));
  else print(what, quantile(rounds, 0.5) * 1000, Math.min(...rounds) * 1000);
}

function bytesOf(run: () => void): number {
  collect();
  const before = allocated();
  run();
  return allocated() - before;
}

/** Makes room for a round. */
function collect(): void {
  if (counting) (globalThis as { gc?: () => void }).gc?.();
}

/** Only grows while nothing is collected. */
function allocated(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}

function report(what: string, bytes: number): void {
  console.info(`${MARK}${JSON.stringify([what, bytes])}`);
}

export function heading(text: string): void {
  if (counting) return;
  const columns = ["median µs", "best µs", "bytes"].map((column) => column.padStart(12));
  console.info(`\n${text.padEnd(64)}${columns.join("")}`);
}

function print(what: string, median: number, best: number): void {
  const bytes = counted.get(what);
  const cells = [format(median), format(best), bytes === undefined ? "" : format(bytes)];
  console.info(`${what.padEnd(64)}${cells.map((cell) => cell.padStart(12)).join("")}`);
}

/** Returns how many calls fill a round. */
function warmUp(work: () => unknown): number {
  const start = performance.now();
  let calls = 0;
  while (performance.now() - start < WARM_UP_MS || calls === 0) {
    use(work());
    calls++;
  }
  return Math.max(1, Math.round((calls * ROUND_MS) / WARM_UP_MS));
}

let sink: unknown;
/** Keeps the optimizer from leaving out work whose result nobody wants. */
function use(value: unknown): void {
  if (value === sink) sink = undefined;
  else sink = value;
}
