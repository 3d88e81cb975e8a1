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
    if (this.#frames.length === 0) process.nextTick(() => this.#flush());
    this.#frames.push(frame);
    this.#waiting += frame.length;
    const buffered = this.#waiting + this.#response.writableLength;
    if (buffered > WATCH_BUFFER_BYTES_HARD) this.#response.destroy();
    return buffered <= WATCH_BUFFER_BYTES;
  }

  end(): void {
    if (this.closed || this.#ended) return;
    this.#ended = true;
    this.#flush();
    this.#response.end();
  }

  #flush(): void {
    const frames = this.#frames;
    if (frames.length === 0 || this.closed) return;
    this.#frames = [];
    this.#waiting = 0;
    this.#response.write(joined(frames));
  }
}

interface Joined {
  readonly frames: readonly Uint8Array[];
  readonly bytes: Uint8Array;
}

let last: WeakRef<Joined> | undefined;

/**
 * The frames as one. Watchers of the same changes write one after the other, so that what was made
 * for the first of them serves them all.
 */
export function joined(frames: readonly Uint8Array[]): Uint8Array {
  const [only] = frames;
  if (frames.length === 1 && only !== undefined) return only;
  const known = last?.deref();
  if (known !== undefined && isSame(known.frames, frames)) return known.bytes;
  const made = { frames, bytes: Buffer.concat(frames) };
  last = new WeakRef(made);
  return made.bytes;
}

function isSame(one: readonly Uint8Array[], other: readonly Uint8Array[]): boolean {
  return one.length === other.length && one.every((frame, index) => frame === other[index]);
}
