/** `cox replay --with`: other code decides the same history, in a process of its own. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { endOf, type Message, textOf } from "../../replay/messages.ts";
import { recorded } from "../../replay/replay.ts";
import type { Report } from "../../replay/tally.ts";
import { type Stretch, walk } from "../../replay/walk.ts";
import { UsageError } from "../usage-error.ts";

/** Compiles; see there. */
const BUNDLER = fileURLToPath(new URL("../build/change.mjs", import.meta.url));
const run = promisify(execFile);

/**
 * Decides the stretch again with the code at `path`: another checkout, or a module that exports
 * actors. The code is given the history, and no access to the cluster.
 * @throws UsageError when it cannot be compiled, or fails
 */
export async function replayWith(path: string, stretch: Stretch): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), "cox-replay-"));
  try {
    const program = join(folder, "replay.mjs");
    await run(process.execPath, [BUNDLER, path, program]).catch(
      (error: { readonly stderr?: string; readonly message: string }) => {
        throw new UsageError(error.stderr || error.message);
      },
    );
    return await decide(program, path, stretch);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function decide(program: string, path: string, stretch: Stretch): Promise<Report> {
  const started = performance.now();
  const child = spawn(process.execPath, [program], {
    stdio: ["pipe", "pipe", "inherit"],
    // What it is to decide on is what it is told.
    env: { PATH: process.env["PATH"] },
  });
  const parts: Buffer[] = [];
  child.stdout.on("data", (part: Buffer) => parts.push(part));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  // A child that ends early closes its input; its exit code says what there is to say.
  child.stdin.on("error", () => undefined);
  await tell(stretch, child.stdin);
  const code = await ended;
  if (code !== 0) throw new UsageError(`The code at ${path} has failed (exit code ${code}).`);
  const report = JSON.parse(Buffer.concat(parts).toString()) as Pick<
    Report,
    "revisions" | "actors"
  >;
  const { from, to } = stretch;
  return { from, to, tookMs: performance.now() - started, ...report };
}

/** Walks the other process through the stretch, as fast as it can follow. */
async function tell(stretch: Stretch, input: Writable): Promise<void> {
  const say = (message: Message): boolean => input.write(`${JSON.stringify(message)}\n`);
  const walked = await walk(stretch, recorded(), {
    begin: ({ versions, ...beginning }) => {
      for (const version of versions) say({ state: textOf(version) });
      say({ begin: beginning });
    },
    version: (version) => say({ version: textOf(version) }),
    decision: (due) => say({ due }),
    ready: async () => {
      if (!input.writableNeedDrain || input.destroyed) return;
      const either = new AbortController();
      const { signal } = either;
      const events = ["drain", "close"].map((event) => once(input, event, { signal }));
      await Promise.race(events).finally(() => either.abort());
      await Promise.allSettled(events);
    },
  });
  say(endOf(walked));
  input.end();
}
