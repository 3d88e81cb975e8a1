import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { readRecord } from "./state.ts";

const CHUNK_BYTES = 64 * 1024;
const LINE_MOST_BYTES = 16 * 1024;

/**
 * Turns what a container writes (`stdout.raw`, `stderr.raw`, files that need no kubelet to be
 * written) into a log as runtimes keep it. Where it stands is kept in a file, so that after the
 * kubelet's death nothing is missing; the lines then bear the time at which they were read.
 */
export function copyLogs(folder: string, log: string, now: number, ended: boolean): void {
  const positions = readRecord<Record<string, number>>(folder, "copied") ?? {};
  let out: number | undefined;
  for (const stream of ["stdout", "stderr"]) {
    const source = join(folder, `${stream}.raw`);
    if (!existsSync(source)) continue;
    const from = positions[stream] ?? 0;
    const bytes = readFrom(source, from);
    const usable = ended ? bytes.length : bytes.lastIndexOf(0x0a) + 1;
    if (usable === 0) continue;
    if (out === undefined) {
      mkdirSync(dirname(log), { recursive: true });
      out = openSync(log, "a");
    }
    writeSync(out, formatLines(bytes.subarray(0, usable), stream, now));
    positions[stream] = from + usable;
    writeFileSync(join(folder, "copied"), JSON.stringify(positions));
  }
  if (out !== undefined) closeSync(out);
}

function readFrom(path: string, from: number): Buffer {
  const file = openSync(path, "r");
  try {
    const chunks: Buffer[] = [];
    for (let position = from; ; ) {
      const chunk = Buffer.alloc(CHUNK_BYTES);
      const read = readSync(file, chunk, 0, CHUNK_BYTES, position);
      if (read === 0) return Buffer.concat(chunks);
      chunks.push(chunk.subarray(0, read));
      position += read;
    }
  } finally {
    closeSync(file);
  }
}

function formatLines(bytes: Buffer, stream: string, now: number): Buffer {
  const time = new Date(now).toISOString().replace("Z", "000000Z");
  const parts: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(0x0a, start);
    const lineEnd = newline < 0 ? bytes.length : newline;
    const end = Math.min(lineEnd, start + LINE_MOST_BYTES);
    const whole = newline >= 0 && end === lineEnd;
    parts.push(Buffer.from(`${time} ${stream} ${whole ? "F" : "P"} `), bytes.subarray(start, end));
    parts.push(Buffer.from("\n"));
    start = whole ? end + 1 : end;
  }
  return Buffer.concat(parts);
}
