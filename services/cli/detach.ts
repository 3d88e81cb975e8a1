/**
 * `cox up --detach`: the same `up` in a process of its own, whose progress is shown until it is up.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { createFolders, pathsOf } from "./cluster.ts";
import { programFile } from "./folders.ts";
import { type ProgressMessage, show } from "./progress.ts";

const REPORT = 3;

/** Returns the exit code: 0 once the cluster can be used. */
export async function detach(data: string, args: readonly string[]): Promise<number> {
  const paths = pathsOf(data);
  createFolders(paths);
  const log = openSync(join(paths.logs, "supervisor.log"), "a");
  const own = args.filter((argument) => argument !== "--detach");
  const named = own.some((argument) => /^--data(=|$)/.test(argument));
  const child = spawn(
    process.execPath,
    [programFile("cox.js"), ...own, ...(named ? [] : ["--data", data]), "--report", String(REPORT)],
    { detached: true, stdio: ["ignore", log, log, "pipe"] },
  );
  closeSync(log);
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  const code = await Promise.race([
    follow(child.stdio[REPORT] as Readable),
    ended.then((how) => {
      process.stderr.write(`The supervisor ended (${how}); see ${paths.logs}/supervisor.log\n`);
      return 1;
    }),
  ]);
  child.unref();
  return code;
}

async function follow(report: Readable): Promise<number> {
  for await (const line of createInterface({ input: report })) {
    const message = JSON.parse(line) as ProgressMessage;
    show(message);
    if (message.type === "ready") return 0;
    if (message.type === "failed") return 1;
  }
  return new Promise(() => {}); // the end of the process says how it ended
}
