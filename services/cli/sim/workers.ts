/** Simulations on several cores: each worker is `cox sim` again, with a part of the work. */
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import { programFile } from "../folders.ts";

/** As many as there are cores, unless told otherwise. */
export function jobsOf(wanted: number | undefined): number {
  return wanted ?? availableParallelism();
}

/**
 * Runs `cox sim` with each list of arguments, at most `jobs` at the same time; `take` gets each
 * line of their outputs.
 * @throws Error with what a worker complained of when it ends with another code than 0 or 1
 */
export async function runWorkers(
  parts: readonly (readonly string[])[],
  jobs: number,
  take: (line: string) => void,
): Promise<void> {
  const queue = [...parts];
  const work = async (): Promise<void> => {
    for (let part = queue.shift(); part !== undefined; part = queue.shift()) {
      await runWorker(part, take);
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, parts.length) }, work));
}

async function runWorker(args: readonly string[], take: (line: string) => void): Promise<void> {
  const child = spawn(process.execPath, [programFile("cox.js"), "sim", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let complaint = "";
  child.stderr.on("data", (data: Buffer) => {
    complaint += data.toString();
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  for await (const line of createInterface({ input: child.stdout })) take(line);
  const code = await ended;
  if (code !== 0 && code !== 1) throw new Error(`a worker ended with ${code}: ${complaint}`);
  if (code === 1 && complaint !== "") throw new Error(complaint.trim());
}
