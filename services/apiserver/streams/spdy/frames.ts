/** Frames of SPDY/3.1 (protocol draft 3.1, section 2.6). Header blocks are compressed here. */
export type SpdyFrame =
  | { readonly type: "data"; stream: number; fin: boolean; payload: Buffer }
  | {
      readonly type: "synStream";
      stream: number;
      associated: number;
      priority: number;
      fin: boolean;
      unidirectional: boolean;
      block: Buffer;
    }
  | { readonly type: "synReply"; stream: number; fin: boolean; block: Buffer }
  | { readonly type: "headers"; stream: number; fin: boolean; block: Buffer }
  | { readonly type: "rstStream"; stream: number; status: number }
  | { readonly type: "settings"; values: readonly { id: number; value: number }[] }
  | { readonly type: "ping"; id: number }
  | { readonly type: "goAway"; lastStream: number; status: number }
  | { readonly type: "windowUpdate"; stream: number; delta: number }
  /** Of a type that this version does not know; to be ignored. */
  | { readonly type: "unknown"; number: number };

/** Statuses of RST_STREAM. */
export const RST = {
  protocolError: 1,
  invalidStream: 2,
  refusedStream: 3,
  cancel: 5,
  internalError: 6,
} as const;

/** The peer does not keep to the protocol; the connection is over. */
export class SpdyError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

const VERSION = 3;
const HEADER_BYTES = 8;
const CONTROL_BYTES_MAX = 256 * 1024;
const FIN = 0x01;
const UNIDIRECTIONAL = 0x02;
const STREAM_MASK = 0x7fff_ffff;
const TYPES = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

/** The bytes of a frame. */
export function encodeSpdyFrame(frame: SpdyFrame): Buffer {
  switch (frame.type) {
    case "data": {
      const head = Buffer.alloc(HEADER_BYTES);
      head.writeUInt32BE(frame.stream, 0);
      head.writeUInt32BE(frame.payload.length, 4);
      head[4] = frame.fin ? FIN : 0;
      return Buffer.concat([head, frame.payload]);
    }
    case "synStream": {
      const flags = (frame.fin ? FIN : 0) | (frame.unidirectional ? UNIDIRECTIONAL : 0);
      const priority = Buffer.from([(frame.priority & 7) << 5, 0]);
      const words = numbers(frame.stream, frame.associated);
      return control(TYPES.synStream, flags, words, priority, frame.block);
    }
    case "synReply":
    case "headers":
      return control(TYPES[frame.type], frame.fin ? FIN : 0, numbers(frame.stream), frame.block);
    case "rstStream":
      return control(TYPES.rstStream, 0, numbers(frame.stream, frame.status));
    case "settings": {
      const entries = frame.values.map(({ id, value }) => numbers(id & 0xff_ffff, value));
      return control(TYPES.settings, 0, numbers(entries.length), ...entries);
    }
    case "ping":
      return control(TYPES.ping, 0, numbers(frame.id));
    case "goAway":
      return control(TYPES.goAway, 0, numbers(frame.lastStream, frame.status));
    case "windowUpdate":
      return control(TYPES.windowUpdate, 0, numbers(frame.stream, frame.delta));
    case "unknown":
      return control(frame.number, 0);
  }
}

/** Cuts a stream of bytes, in whatever pieces it comes, into frames. */
export class SpdyFrameReader {
  #pieces: Buffer[] = [];
  #length = 0;

  /**
   * The frames that are complete with this piece.
   * @throws SpdyError
   */
  *push(piece: Buffer): Generator<SpdyFrame> {
    this.#pieces.push(piece);
    this.#length += piece.length;
    while (this.#length >= HEADER_BYTES) {
      const head = this.#peek(HEADER_BYTES);
      const length = head.readUInt32BE(4) & 0xff_ffff;
      const isControl = ((head[0] ?? 0) & 0x80) !== 0;
      if (isControl && length > CONTROL_BYTES_MAX)
        throw new SpdyError("control frame is too large");
      if (this.#length < HEADER_BYTES + length) return;
      const frame = this.#peek(HEADER_BYTES + length);
      this.#pieces[0] = (this.#pieces[0] ?? frame).subarray(frame.length);
      this.#length -= frame.length;
      yield decode(frame, isControl);
    }
  }

  /** The first bytes in one piece; there must be as many. */
  #peek(bytes: number): Buffer {
    let [first = Buffer.alloc(0)] = this.#pieces;
    if (first.length < bytes) {
      first = Buffer.concat(this.#pieces);
      this.#pieces = [first];
    }
    return first.subarray(0, bytes);
  }
}

function decode(frame: Buffer, isControl: boolean): SpdyFrame {
  const flags = frame[4] ?? 0;
  const body = frame.subarray(HEADER_BYTES);
  const fin = (flags & FIN) !== 0;
  if (!isControl) {
    return { type: "data", stream: frame.readUInt32BE(0) & STREAM_MASK, fin, payload: body };
  }
  const version = frame.readUInt16BE(0) & 0x7fff;
  if (version !== VERSION) throw new SpdyError(`version ${version} is not supported`);
  const word = (index: number) => {
    if (body.length < index * 4 + 4) throw new SpdyError("control frame is cut short");
    return body.readUInt32BE(index * 4);
  };
  const number = frame.readUInt16BE(2);
  switch (number) {
    case TYPES.synStream: {
      const [stream, associated] = [word(0) & STREAM_MASK, word(1) & STREAM_MASK];
      if (body.length < 10) throw new SpdyError("control frame is cut short");
      const priority = (body[8] ?? 0) >> 5;
      const unidirectional = (flags & UNIDIRECTIONAL) !== 0;
      const block = body.subarray(10);
      return { type: "synStream", stream, associated, priority, fin, unidirectional, block };
    }
    case TYPES.synReply:
      return { type: "synReply", stream: word(0) & STREAM_MASK, fin, block: body.subarray(4) };
    case TYPES.headers:
      return { type: "headers", stream: word(0) & STREAM_MASK, fin, block: body.subarray(4) };
    case TYPES.rstStream:
      return { type: "rstStream", stream: word(0) & STREAM_MASK, status: word(1) };
    case TYPES.settings: {
      const values = Array.from({ length: Math.min(word(0), 64) }, (_, index) => ({
        id: word(1 + index * 2) & 0xff_ffff,
        value: word(2 + index * 2),
      }));
      return { type: "settings", values };
    }
    case TYPES.ping:
      return { type: "ping", id: word(0) };
    case TYPES.goAway:
      return { type: "goAway", lastStream: word(0) & STREAM_MASK, status: word(1) };
    case TYPES.windowUpdate:
      return {
        type: "windowUpdate",
        stream: word(0) & STREAM_MASK,
        delta: word(1) & STREAM_MASK,
      };
    default:
      return { type: "unknown", number };
  }
}

function control(type: number, flags: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUInt16BE(0x8000 | VERSION, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt32BE(body.length, 4);
  head[4] = flags;
  return Buffer.concat([head, body]);
}

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, index * 4);
  return bytes;
}
