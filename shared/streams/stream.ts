import type { StatusBody } from "../actor/api.ts";
import type { Bus, BusMessage, Subscription } from "../actor/bus.ts";
import type { Cancel, Runtime } from "../runtime/runtime.ts";
import { CLOSE, IncomingChannel, OutgoingChannel } from "./channels.ts";
import { decodeFrame, encodeFrame, type Frame } from "./frame.ts";
import { answerSchema, type OpenAnswer, openSchema, type StreamOpen } from "./message.ts";

/**
 * A two-way stream of bytes on numbered channels between an apiserver and a node agent, over the
 * bus (DESIGN D17): exec, attach, logs, port-forward. A sender stops when `window` bytes of a
 * channel are not consumed yet; whoever reads slowly slows down the writer at the other end. Both
 * sides send beats; a side that hears nothing for `STREAM_SILENCE_MS`, or misses a message, aborts.
 */
export interface NodeStream {
  /**
   * Sends bytes on a channel; resolves when the last of them has been handed to the bus, which
   * waits for the peer's window. Writes of one channel keep their order. Does nothing when the
   * channel or the stream is closed. The data must not be changed until the promise resolves.
   */
  write(channel: number, data: Uint8Array | string): Promise<void>;
  /** Closes one channel of this side, behind what was written to it. */
  closeChannel(channel: number): void;
  /**
   * The chunks that arrive on a channel, for one reader. Ends when the peer closes the channel,
   * when it ends the stream and when the stream is aborted (see `closed`).
   */
  read(channel: number): AsyncIterableIterator<Uint8Array>;
  /** Ends this side behind everything written; resolves when that is sent, or the stream over. */
  end(): Promise<void>;
  /** Breaks the stream off, now, in both directions. */
  abort(message: string): void;
  /** Resolves when the stream is over: undefined when both sides ended it, else why it broke. */
  readonly closed: Promise<StreamAborted | undefined>;
}

/** Why a stream broke off. `remote`: the peer said so; otherwise it was noticed here. */
export interface StreamAborted {
  readonly message: string;
  readonly remote: boolean;
}

/** The node refused to open the stream; the Status is for the client. */
export class StreamRefusedError extends Error {
  readonly status: StatusBody;
  constructor(status: StatusBody) {
    super(status.message ?? "the stream was refused");
    this.name = new.target.name;
    this.status = status;
  }
}

/** Bytes per channel that may be under way. */
export const STREAM_WINDOW = 262_144;
/** A side that has sent nothing for this long sends a beat, milliseconds. */
export const STREAM_BEAT_MS = 1_000;
/** A peer that was silent for this long is dead, milliseconds. */
export const STREAM_SILENCE_MS = 5_000;
const CHUNK_MAX = 65_536;

/**
 * Opens a stream to a node agent that serves `subject` (`node.<node>.stream.<operation>`). Its data
 * subjects are `stream.<node>.<id>.up` (to the node) and `.down` (from it).
 * @throws StreamRefusedError; NoResponderError when no agent serves the node, RequestTimeoutError.
 */
export async function openStream(
  bus: Bus,
  runtime: Runtime,
  subject: string,
  open: StreamOpen,
  options: { window?: number; timeoutMs?: number } = {},
): Promise<NodeStream> {
  const node = subject.split(".")[1];
  if (node === undefined) throw new TypeError(`not a node's stream subject: ${subject}`);
  const subjects = `stream.${node}.${runtime.ids.ulid()}`;
  const window = options.window ?? STREAM_WINDOW;
  const stream = new BusStream(bus, runtime, window, `${subjects}.up`, `${subjects}.down`);
  try {
    const request = Buffer.from(JSON.stringify({ subjects, window, open }));
    const answer = await bus.request(subject, request, options.timeoutMs ?? 10_000);
    const parsed = answerSchema.parse(JSON.parse(Buffer.from(answer.data).toString("utf8")));
    if (!parsed.accepted) throw new StreamRefusedError(parsed.status);
    stream.start();
    return stream;
  } catch (error) {
    stream.abort("the stream was not opened");
    throw error;
  }
}

/**
 * Carries out one operation. Calls `accept` once it is prepared: the stream is open from there on.
 * Throwing StreamRefusedError before that refuses the client's request with its Status. When the
 * promise resolves the stream is ended, when it rejects it is aborted with the error's message.
 */
export type StreamHandler = (open: StreamOpen, accept: () => NodeStream) => Promise<void>;

/**
 * Serves streams on the subjects that match `pattern` (`node.<node>.stream.*`).
 * Stopping refuses new ones; those that are open go on.
 */
export function serveStreams(
  bus: Bus,
  runtime: Runtime,
  pattern: string,
  handler: StreamHandler,
): Subscription {
  const node = pattern.split(".")[1];
  return bus.subscribe(pattern, (message) => {
    void serveOne(bus, runtime, `stream.${node}.`, message, handler);
  });
}

async function serveOne(
  bus: Bus,
  runtime: Runtime,
  prefix: string,
  message: BusMessage,
  handler: StreamHandler,
): Promise<void> {
  let stream: BusStream | undefined;
  const answer = (content: OpenAnswer) => message.respond(Buffer.from(JSON.stringify(content)));
  try {
    const request = openSchema.parse(JSON.parse(Buffer.from(message.data).toString("utf8")));
    if (!request.subjects.startsWith(prefix)) throw new TypeError("subjects of another node");
    await handler(request.open, () => {
      if (stream !== undefined) return stream;
      const { subjects, window } = request;
      stream = new BusStream(bus, runtime, window, `${subjects}.down`, `${subjects}.up`);
      answer({ accepted: true });
      stream.start();
      return stream;
    });
    if (stream === undefined) throw new TypeError("the operation was not accepted");
    await (stream as BusStream).end();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    if (stream !== undefined) (stream as BusStream).abort(text);
    else {
      const status = error instanceof StreamRefusedError ? error.status : internalStatus(text);
      answer({ accepted: false, status });
    }
  }
}

function internalStatus(message: string): StatusBody {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: `Internal error occurred: ${message}`,
    reason: "InternalError",
    details: { causes: [{ message }] },
    code: 500,
  };
}

class BusStream implements NodeStream {
  readonly closed: Promise<StreamAborted | undefined>;
  readonly #bus: Bus;
  readonly #runtime: Runtime;
  readonly #window: number;
  readonly #subject: string;
  readonly #subscription: Subscription;
  #beat: Cancel = () => {};
  readonly #outgoing = new Map<number, OutgoingChannel>();
  readonly #incoming = new Map<number, IncomingChannel>();
  #finish: (reason: StreamAborted | undefined) => void = () => {};
  #sendSeq = 0;
  #receiveSeq = 0;
  #lastSent: number;
  #lastHeard: number;
  #over = false;
  #ending: (() => void)[] | undefined;
  #endSent = false;
  #endHeard = false;

  constructor(bus: Bus, runtime: Runtime, window: number, sendTo: string, receiveOn: string) {
    this.#bus = bus;
    this.#runtime = runtime;
    this.#window = window;
    this.#subject = sendTo;
    this.#lastSent = this.#lastHeard = 0;
    this.closed = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.#subscription = bus.subscribe(receiveOn, (message) => this.#receive(message.data));
  }

  /** Begins with the beats: both sides are listening from here on. */
  start(): void {
    if (this.#over) return;
    this.#lastSent = this.#lastHeard = this.#runtime.clock.monotonic();
    this.#beat = this.#runtime.timers.every(STREAM_BEAT_MS / 2, () => this.#tick());
  }

  write(channel: number, data: Uint8Array | string): Promise<void> {
    const outgoing = this.#out(channel);
    if (this.#over || this.#ending !== undefined || outgoing.closed) return Promise.resolve();
    const bytes = typeof data === "string" ? Buffer.from(data, "utf8") : data;
    return new Promise((resolve) => {
      outgoing.push(bytes, resolve);
      this.#pump();
    });
  }

  closeChannel(channel: number): void {
    const outgoing = this.#out(channel);
    if (this.#over || this.#ending !== undefined || outgoing.closed) return;
    outgoing.closed = true;
    outgoing.push(new Uint8Array(0), () => {
      if (this.#over) return;
      this.#send({ type: "data", seq: 0, channel: CLOSE, payload: Uint8Array.of(channel) });
    });
    this.#pump();
  }

  async *read(channel: number): AsyncIterableIterator<Uint8Array> {
    const incoming = this.#in(channel);
    for (;;) {
      const chunk = incoming.shift();
      if (chunk === undefined) {
        if (incoming.finished) return;
        await incoming.arrival();
        continue;
      }
      const consumed = incoming.creditDue(this.#window);
      if (consumed !== undefined && !this.#over) {
        this.#send({ type: "credit", seq: 0, channel, consumed });
      }
      yield chunk;
    }
  }

  end(): Promise<void> {
    if (this.#over || this.#endSent) return Promise.resolve();
    this.#ending ??= [];
    const waiting = this.#ending;
    return new Promise((resolve) => {
      waiting.push(resolve);
      this.#pump();
    });
  }

  abort(message: string): void {
    if (this.#over) return;
    this.#send({ type: "abort", seq: 0, message });
    this.#close({ message, remote: false });
  }

  #out(channel: number): OutgoingChannel {
    return getOrCreate(this.#outgoing, channel, () => new OutgoingChannel());
  }

  #in(channel: number): IncomingChannel {
    return getOrCreate(this.#incoming, channel, () => {
      const incoming = new IncomingChannel();
      if (this.#over || this.#endHeard) incoming.finish();
      return incoming;
    });
  }

  /** Sends what the windows allow, and the end once nothing waits. */
  #pump(): void {
    let waiting = false;
    for (const [channel, outgoing] of this.#outgoing) {
      for (;;) {
        const next = outgoing.take(this.#window, CHUNK_MAX);
        if (next === undefined) break;
        if (next.chunk.length > 0) {
          this.#send({ type: "data", seq: 0, channel, payload: next.chunk });
        }
        next.sent?.();
        if (this.#over) return;
      }
      waiting ||= !outgoing.empty;
    }
    if (this.#ending === undefined || waiting || this.#endSent) return;
    this.#endSent = true;
    this.#send({ type: "end", seq: 0 });
    for (const ended of this.#ending) ended();
    if (this.#endHeard) this.#close(undefined);
  }

  #send(frame: Frame): void {
    frame.seq = this.#sendSeq++;
    this.#lastSent = this.#runtime.clock.monotonic();
    this.#bus.publish(this.#subject, encodeFrame(frame));
  }

  #receive(bytes: Uint8Array): void {
    if (this.#over) return;
    this.#lastHeard = this.#runtime.clock.monotonic();
    let frame: Frame;
    try {
      frame = decodeFrame(bytes);
    } catch (error) {
      this.abort(error instanceof Error ? error.message : String(error));
      return;
    }
    if (frame.type === "abort") this.#close({ message: frame.message, remote: true });
    else if (frame.seq !== this.#receiveSeq++ >>> 0) this.abort("a message was lost");
    else if (frame.type === "credit") {
      if (!this.#out(frame.channel).credit(frame.consumed)) this.abort("credit out of range");
      else this.#pump();
    } else if (frame.type === "end") {
      this.#endHeard = true;
      for (const incoming of this.#incoming.values()) incoming.finish();
      if (this.#endSent) this.#close(undefined);
    } else if (frame.type === "data") this.#receiveData(frame.channel, frame.payload);
  }

  #receiveData(channel: number, payload: Uint8Array): void {
    if (channel === CLOSE) this.#in(payload[0] ?? CLOSE).finish();
    else if (!this.#in(channel).push(payload, this.#window)) this.abort("window exceeded");
  }

  #tick(): void {
    const now = this.#runtime.clock.monotonic();
    if (now - this.#lastHeard >= STREAM_SILENCE_MS) this.abort("the peer is silent");
    else if (now - this.#lastSent >= STREAM_BEAT_MS / 2) this.#send({ type: "beat", seq: 0 });
  }

  #close(reason: StreamAborted | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#beat();
    this.#subscription.stop();
    for (const outgoing of this.#outgoing.values()) outgoing.drop();
    for (const incoming of this.#incoming.values()) {
      if (reason === undefined) incoming.finish();
      else incoming.drop();
    }
    for (const ended of this.#ending ?? []) ended();
    this.#finish(reason);
  }
}

function getOrCreate<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = create();
    map.set(key, value);
  }
  return value;
}
