import type { Cancel, Runtime } from "../../../shared/runtime/runtime.ts";
import type { WatchSink } from "../request.ts";

/** What may wait for a client that reads slowly, in bytes, before its watch is ended. */
export const PENDING_BYTES_MAX = 32 * 1024 * 1024;
const RETRY_MS_MIN = 5;
const RETRY_MS_MAX = 160;

/**
 * The frames of one watch that its transport has not taken yet. The transport takes each frame that
 * is written; once it answers false, nothing is written until a moment later. What waits is
 * bounded: a client that falls further behind has to begin anew, from its last resourceVersion.
 */
export class Outbox {
  readonly #sink: WatchSink;
  readonly #runtime: Runtime;
  readonly #overflow: () => void;
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  #retryMs = RETRY_MS_MIN;
  #retry: Cancel | undefined;
  #closed = false;
  /** The initial state, made frame by frame as the transport takes it. */
  #first: Iterator<Uint8Array> | undefined;

  constructor(sink: WatchSink, runtime: Runtime, overflow: () => void) {
    this.#sink = sink;
    this.#runtime = runtime;
    this.#overflow = overflow;
  }

  /** Sends these first; what is pushed meanwhile waits behind them. */
  begin(frames: Iterable<Uint8Array>): void {
    this.#first = frames[Symbol.iterator]();
    this.#flush();
  }

  push(frame: Uint8Array): void {
    if (this.#closed) return;
    if (this.#first === undefined && this.#retry === undefined && this.#waiting.length === 0) {
      this.#write(frame);
      return;
    }
    this.#waiting.push(frame);
    this.#bytes += frame.length;
    if (this.#bytes > PENDING_BYTES_MAX) this.#overflow();
  }

  /** True when everything so far has been handed to the transport. */
  get idle(): boolean {
    return this.#first === undefined && this.#waiting.length === 0;
  }

  close(): void {
    this.#closed = true;
    this.#retry?.();
    this.#waiting = [];
    this.#first = undefined;
  }

  /** Writes one frame; false when the transport wants a rest. */
  #write(frame: Uint8Array): boolean {
    if (this.#sink.write(frame)) {
      this.#retryMs = RETRY_MS_MIN;
      return true;
    }
    if (this.#closed) return false;
    this.#retry = this.#runtime.timers.after(this.#retryMs, () => {
      this.#retry = undefined;
      this.#flush();
    });
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
    return false;
  }

  #flush(): void {
    while (this.#first !== undefined && !this.#closed) {
      const next = this.#first.next();
      if (next.done) this.#first = undefined;
      else if (!this.#write(next.value)) return;
    }
    let taken = 0;
    while (taken < this.#waiting.length && !this.#closed) {
      const frame = this.#waiting[taken++] as Uint8Array;
      this.#bytes -= frame.length;
      if (!this.#write(frame)) break;
    }
    this.#waiting.splice(0, taken);
  }
}
