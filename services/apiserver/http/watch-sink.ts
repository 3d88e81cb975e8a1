import type { WatchResponse, WatchSink, WatchStop } from "../request.ts";
import { isHttp2, type Request, type Response } from "./exchange.ts";
import { headersOf } from "./respond.ts";

/** Bytes that may wait for a slow client before the sink says so. */
export const WATCH_BUFFER_BYTES = 4 * 1024 * 1024;
/** A client this far behind is cut off whatever the engine does. */
const WATCH_BUFFER_BYTES_HARD = 4 * WATCH_BUFFER_BYTES;

/**
 * Serves a watch: the frames of one turn of the event loop become one write. Resolves when the
 * response is over, whoever ended it.
 */
export function serveWatch(
  request: Request,
  response: Response,
  watch: WatchResponse,
  trace: string,
): { done: Promise<void>; end(): void } {
  response.writeHead(200, {
    ...headersOf(trace, watch.contentType, watch.warnings),
    ...(isHttp2(request) ? {} : { "Transfer-Encoding": "chunked" }),
  });
  response.flushHeaders();
  const sink = new ResponseSink(response);
  const done = new Promise<void>((resolve) => {
    response.on("close", resolve);
  });
  let stop: WatchStop | undefined;
  response.on("error", () => response.destroy());
  response.on("close", () => {
    sink.closed = true;
    stop?.stop();
  });
  stop = watch.start(sink);
  if (sink.closed) stop.stop();
  return { done, end: () => sink.end() };
}

class ResponseSink implements WatchSink {
  closed = false;
  readonly #response: Response;
  #frames: Uint8Array[] = [];
  #waiting = 0;
  #ended = false;

  constructor(response: Response) {
    this.#response = response;
  }

  write(frame: Uint8Array): boolean {
    if (this.closed || this.#ended) return false;
    if (this.#frames.length === 0) flushLater(this);
    this.#frames.push(frame);
    this.#waiting += frame.length;
    const buffered = this.#waiting + this.#response.writableLength;
    if (buffered > WATCH_BUFFER_BYTES_HARD) this.#response.destroy();
    return buffered <= WATCH_BUFFER_BYTES;
  }

  end(): void {
    if (this.closed || this.#ended) return;
    this.#ended = true;
    this.flush();
    this.#response.end();
  }

  /** Writes what there is; `last`: what another sink wrote just before. */
  flush(last?: Joined): Joined | undefined {
    const frames = this.#frames;
    if (frames.length === 0 || this.closed) return last;
    this.#frames = [];
    this.#waiting = 0;
    const written = joined(frames, last);
    this.#response.write(written.bytes);
    return written;
  }
}

/** Sinks with something to write at the end of this turn. */
const waiting: ResponseSink[] = [];

function flushLater(sink: ResponseSink): void {
  if (waiting.length === 0) process.nextTick(flushAll);
  waiting.push(sink);
}

/**
 * Watchers of the same changes write one after the other, so that what was made for the first of
 * them serves them all.
 */
function flushAll(): void {
  let last: Joined | undefined;
  for (const sink of waiting.splice(0)) last = sink.flush(last);
}

/** Frames, and all of them as one. */
export interface Joined {
  readonly frames: readonly Uint8Array[];
  readonly bytes: Uint8Array;
}

/** The frames as one; `last` when they are the same. */
export function joined(frames: readonly Uint8Array[], last?: Joined): Joined {
  if (last !== undefined && isSame(last.frames, frames)) return last;
  const [only] = frames;
  const bytes = frames.length === 1 && only !== undefined ? only : Buffer.concat(frames);
  return { frames, bytes };
}

function isSame(one: readonly Uint8Array[], other: readonly Uint8Array[]): boolean {
  return one.length === other.length && one.every((frame, index) => frame === other[index]);
}
