/** Files of history: made by `cox export`, read by every command that asks about the past. */
import { createReadStream, existsSync } from "node:fs";
import { createInterface } from "node:readline";
import type { History } from "../../../shared/log/history.ts";
import {
  RecordingError,
  type RecordingHead,
  RecordingReader,
} from "../../../shared/log/recording.ts";
import { liveRuntime } from "../../../shared/runtime/live.ts";
import { UsageError } from "../usage-error.ts";

/** The name under which a data folder keeps an imported history. */
export const IMPORTED = "history.coxlog";

/** Reads a whole file into memory. @throws UsageError that names the file and the line */
export async function readRecording(
  file: string,
): Promise<{ readonly head: RecordingHead; readonly history: History }> {
  if (!existsSync(file)) throw new UsageError(`There is no file ${file}.`);
  const reader = new RecordingReader(liveRuntime());
  try {
    const input = createReadStream(file);
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      reader.line(line);
    }
    return reader.finish();
  } catch (error) {
    if (!(error instanceof RecordingError)) throw error;
    throw new UsageError(`${file} is not a readable history: ${error.message}.`);
  }
}
