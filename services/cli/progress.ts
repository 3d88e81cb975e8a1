/** Steps shown to the person who waits, or passed on as JSON lines to the command that does. */
import { closeSync, writeSync } from "node:fs";

export type ProgressMessage =
  | { readonly type: "step"; readonly text: string }
  | { readonly type: "done"; readonly text: string; readonly seconds: number }
  | { readonly type: "ready"; readonly text: string }
  | { readonly type: "failed"; readonly text: string };

export interface Progress {
  /** Shows that something has begun, runs it, and shows that it is done. */
  step<T>(text: string, run: (detail: (text: string) => void) => Promise<T>): Promise<T>;
  /** The cluster can be used: what to do next. */
  ready(text: string): void;
  failed(text: string): void;
}

/** Steps shorter than this are not worth a line, milliseconds. */
const WORTH_SHOWING_MS = 300;

export class ReportedProgress implements Progress {
  readonly #send: (message: ProgressMessage) => void;

  constructor(send: (message: ProgressMessage) => void) {
    this.#send = send;
  }

  async step<T>(text: string, run: (detail: (text: string) => void) => Promise<T>): Promise<T> {
    const started = performance.now();
    const announce = setTimeout(() => this.#send({ type: "step", text }), WORTH_SHOWING_MS);
    let result: T;
    try {
      result = await run((detail) => this.#send({ type: "step", text: `${text}: ${detail}` }));
    } finally {
      clearTimeout(announce);
    }
    const seconds = (performance.now() - started) / 1000;
    if (seconds * 1000 >= WORTH_SHOWING_MS) this.#send({ type: "done", text, seconds });
    return result;
  }

  ready(text: string): void {
    this.#send({ type: "ready", text });
  }

  failed(text: string): void {
    this.#send({ type: "failed", text });
  }
}

/** On a terminal a running step's line is overwritten by its end; elsewhere each has its own. */
export function show(message: ProgressMessage, stream: NodeJS.WriteStream = process.stderr): void {
  const clear = stream.isTTY ? "\r\u001b[K" : "";
  switch (message.type) {
    case "step":
      stream.write(`${clear}${message.text} ...${stream.isTTY ? "" : "\n"}`);
      break;
    case "done":
      stream.write(`${clear}${message.text}: done (${message.seconds.toFixed(1)} s)\n`);
      break;
    case "failed":
      stream.write(`${clear}${message.text}\n`);
      break;
    case "ready":
      process.stdout.write(`${stream.isTTY ? clear : ""}${message.text}\n`);
  }
}

/** Sends messages as JSON lines to an inherited file descriptor, until nobody reads them. */
export function sender(descriptor: number): (message: ProgressMessage) => void {
  let open = true;
  return (message) => {
    if (!open) return;
    const last = message.type === "ready" || message.type === "failed";
    try {
      // At once: the process may end right after its last message.
      writeSync(descriptor, `${JSON.stringify(message)}\n`);
      if (last) closeSync(descriptor);
    } catch {
      open = false; // the command that waited has gone; the cluster goes on
    }
    if (last) open = false;
  };
}
