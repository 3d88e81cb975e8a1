import { type FileHandle, open, stat } from "node:fs/promises";
import type { Runtime } from "../../../shared/runtime/runtime.ts";

/** What of a log is wanted. */
export interface LogOptions {
  readonly follow: boolean;
  readonly timestamps: boolean;
  readonly stream: "All" | "Stdout" | "Stderr";
  readonly tailLines?: number;
  /** Lines logged at or after this time, milliseconds since the epoch. */
  readonly sinceMs?: number;
  readonly limitBytes?: number;
}

export interface LogSource {
  readonly path: string;
  readonly runtime: Runtime;
  /** Whether more may be written to the log: following ends behind the container's end. */
  readonly isLive: () => boolean;
  /** Whether anybody still reads. */
  readonly isOpen: () => boolean;
}

const CHUNK_BYTES = 64 * 1024;
const POLL_MS = 100;

/**
 * A container's log as users see it: the text of its lines, without what the runtime adds in front
 * of each. Follows over rotations.
 */
export async function* readLog(source: LogSource, options: LogOptions): AsyncGenerator<Buffer> {
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  for await (const text of wantedLines(source, options)) {
    const chunk = text.length > left ? text.subarray(0, left) : text;
    if (chunk.length > 0) yield chunk;
    left -= chunk.length;
    if (left <= 0) return;
  }
}

async function* wantedLines(source: LogSource, options: LogOptions): AsyncGenerator<Buffer> {
  let file = await openWhenThere(source, options.follow);
  if (!file) return;
  const parser = new LineParser(options);
  try {
    let position = options.tailLines === undefined ? 0 : await tailStart(file, options.tailLines);
    if (options.tailLines === 0 && !options.follow) return;
    for (;;) {
      // Asked before reading: what was written before the end is still read.
      const live = source.isLive();
      const read = yield* readFrom(file, position, parser);
      position += read;
      if (read > 0) continue;
      if (!options.follow || !source.isOpen()) return;
      const next = await reopenIfRotated(file, source.path);
      if (next) {
        // What was written to the old file after the last look, before the new one was begun.
        yield* readFrom(file, position, parser);
        await file.close();
        file = next;
        position = 0;
        continue;
      }
      if (!live) return;
      await source.runtime.timers.sleep(POLL_MS);
    }
  } finally {
    await file.close();
  }
}

async function* readFrom(
  file: FileHandle,
  from: number,
  parser: LineParser,
): AsyncGenerator<Buffer, number> {
  let position = from;
  for (;;) {
    const { bytesRead, buffer } = await file.read({ buffer: Buffer.alloc(CHUNK_BYTES), position });
    if (bytesRead === 0) return position - from;
    position += bytesRead;
    const text = parser.take(buffer.subarray(0, bytesRead));
    if (text.length > 0) yield text;
  }
}

/** A container that has just been started may not have its log yet. */
async function openWhenThere(source: LogSource, follow: boolean): Promise<FileHandle | undefined> {
  for (;;) {
    const live = source.isLive();
    const file = await open(source.path, "r").catch(() => undefined);
    if (file || !follow || !live || !source.isOpen()) return file;
    await source.runtime.timers.sleep(POLL_MS);
  }
}

async function reopenIfRotated(file: FileHandle, path: string): Promise<FileHandle | undefined> {
  const [mine, theirs] = await Promise.all([file.stat(), stat(path).catch(() => undefined)]);
  if (!theirs || theirs.ino === mine.ino) return undefined;
  return open(path, "r").catch(() => undefined);
}

/** Where the last so many lines of the file begin. */
async function tailStart(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat();
  if (lines === 0) return size;
  let position = size;
  let found = 0;
  while (position > 0) {
    const length = Math.min(CHUNK_BYTES, position);
    const { buffer } = await file.read({
      buffer: Buffer.alloc(length),
      position: position - length,
    });
    for (let index = length - 1; index >= 0; index--) {
      // The newline that ends the file's last line does not begin another.
      if (buffer[index] !== 0x0a || position - length + index === size - 1) continue;
      if (++found === lines) return position - length + index + 1;
    }
    position -= length;
  }
  return 0;
}

const NEWLINE = Buffer.from("\n");

/**
 * Takes the runtime's lines apart: `2026-01-01T00:00:00.5Z stdout F text`, where `P` instead of `F`
 * says that the line goes on in the next one.
 */
class LineParser {
  readonly #options: LogOptions;
  #rest: Buffer = Buffer.alloc(0);
  /** A line that was begun goes on: its time has been written. */
  #inLine = false;

  constructor(options: LogOptions) {
    this.#options = options;
  }

  take(chunk: Buffer): Buffer {
    let bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    const parts: Buffer[] = [];
    for (;;) {
      const end = bytes.indexOf(0x0a);
      if (end < 0) break;
      this.#line(bytes.subarray(0, end), parts);
      bytes = bytes.subarray(end + 1);
    }
    this.#rest = Buffer.from(bytes);
    return Buffer.concat(parts);
  }

  #line(line: Buffer, parts: Buffer[]): void {
    const first = line.indexOf(0x20);
    const second = line.indexOf(0x20, first + 1);
    const third = line.indexOf(0x20, second + 1);
    if (first < 0 || second < 0 || third < 0) return;
    const time = line.subarray(0, first);
    const stream = line.toString("latin1", first + 1, second);
    const whole = line[second + 1] === 0x46;
    if (!this.#wants(stream, time)) return;
    if (this.#options.timestamps && !this.#inLine) parts.push(time, Buffer.from(" "));
    parts.push(line.subarray(third + 1));
    if (whole) parts.push(NEWLINE);
    this.#inLine = !whole;
  }

  #wants(stream: string, time: Buffer): boolean {
    const { stream: wanted, sinceMs } = this.#options;
    if (wanted !== "All" && wanted.toLowerCase() !== stream) return false;
    return sinceMs === undefined || Date.parse(time.toString("latin1")) >= sinceMs;
  }
}
