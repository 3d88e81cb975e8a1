/** A watch that goes on where the server has ended it, as every client of Kubernetes does. */
import type { Client } from "./client.ts";

export interface Following {
  stop(): void;
  /** How often the server has ended the watch. */
  readonly resumed: number;
}

const REVISION = Buffer.from('"resourceVersion":"');
const QUOTE = 34;
const TRIES = 5;

/**
 * Watches from behind `revision`; without one, what is there comes first. `failed`: it cannot go
 * on, and events may be missing.
 */
export async function follow(
  client: Client,
  options: { path: string; revision?: string },
  line: (text: Buffer) => void,
  failed: (error: Error) => void,
): Promise<Following> {
  let { revision } = options;
  let resumed = 0;
  let stopped = false;
  let close = (): void => {};
  const see = (text: Buffer): void => {
    const at = text.indexOf(REVISION);
    const from = at + REVISION.length;
    // The object's own comes first.
    if (at >= 0) revision = text.toString("latin1", from, text.indexOf(QUOTE, from));
    if (text.includes('"type":"ERROR"')) ended(new Error(text.toString()), TRIES);
    else line(text);
  };
  const open = async (): Promise<void> => {
    const from = revision === undefined ? "" : `&resourceVersion=${revision}`;
    const path = `${options.path}?watch=true&timeoutSeconds=3600${from}`;
    close = await client.watch(path, see, (reason) => ended(reason));
    if (stopped) close();
  };
  const ended = (reason: Error, tries = resumed++): void => {
    close();
    if (stopped) return;
    if (tries < TRIES) open().catch(failed);
    else failed(reason);
  };
  await open();
  return {
    stop: () => {
      stopped = true;
      close();
    },
    get resumed() {
      return resumed;
    },
  };
}
