/** `cox replay --with`: other code decides the same history, in a process of its own. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type History, readVersions } from "../../../shared/log/history.ts";
import {
  RECORDING_FORMAT,
  type RecordedLine,
  type RecordingHead,
} from "../../../shared/log/recording.ts";
import type { Version } from "../../../shared/store/store.ts";
import { recordsBetween } from "../../replay/replay.ts";
import type { Report } from "../../replay/tally.ts";
import { UsageError } from "../usage-error.ts";

/** Compiles; see there. */
const BUNDLER = fileURLToPath(new URL("../build/change.mjs", import.meta.url));
const run = promisify(execFile);

export interface Question {
  readonly history: History;
  readonly from: number;
  readonly to: number;
  readonly actor?: string;
}

/**
 * Decides the stretch again with the code at `path`: another checkout, or a module that exports
 * actors. The code is given the history, and no access to the cluster.
 * @throws UsageError when it cannot be compiled, or fails
 */
export async function replayWith(path: string, question: Question): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), "cox-replay-"));
  try {
    const program = join(folder, "replay.mjs");
    await run(process.execPath, [BUNDLER, path, program]).catch(
      (error: { readonly stderr?: string; readonly message: string }) => {
        throw new UsageError(error.stderr || error.message);
      },
    );
    return await decide(program, path, question);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function decide(program: string, path: string, question: Question): Promise<Report> {
  const { actor } = question;
  const child = spawn(process.execPath, [program, ...(actor === undefined ? [] : [actor])], {
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
  await tell(question, child.stdin);
  const code = await ended;
  if (code !== 0) throw new UsageError(`The code at ${path} has failed (exit code ${code}).`);
  return JSON.parse(Buffer.concat(parts).toString()) as Report;
}

/** The history as it is, as a recording. */
async function tell({ history, from, to }: Question, input: Writable): Promise<void> {
  const records = await recordsBetween(history, from, to);
  const times = records.map(({ now }) => now);
  const head: RecordingHead = {
    coxlog: RECORDING_FORMAT,
    logs: { cluster: { from, to }, events: { from: 0, to: 0 } },
    begins: times.reduce((least, now) => Math.min(least, now), Number.MAX_SAFE_INTEGER),
    ends: times.reduce((most, now) => Math.max(most, now), 0),
    scrubbed: [],
  };
  const line = (value: RecordedLine | RecordingHead): boolean =>
    input.write(`${JSON.stringify(value)}\n`);
  line(head);
  const { cluster } = history.logs;
  const { versions } = from === 0 ? { versions: [] } : await cluster.list("", from);
  for (const version of versions) line(lineOf({ ...version, more: false }));
  await readVersions(cluster, { after: from, to }, (version) => void line(lineOf(version)));
  for (const decision of records) {
    if (!line({ decision }) && !input.destroyed) {
      await Promise.race([once(input, "drain"), once(input, "close")]);
    }
  }
  input.end();
}

function lineOf({ revision, key, time, headers, more, value }: Version): RecordedLine {
  const object = value === null ? null : (JSON.parse(value.toString()) as unknown);
  const rest = { revision, key, time, headers, value: object };
  return { log: "cluster", ...rest, ...(more && { more: true }) };
}
