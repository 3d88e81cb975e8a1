/**
 * Frames of a node stream, one per bus message: a type byte, a sequence number (uint32, counting
 * from 0 per direction, so that a lost or repeated message is noticed), then the type's own fields.
 */
export type Frame =
  /** Bytes of a channel. */
  | { readonly type: "data"; seq: number; channel: number; payload: Uint8Array }
  /** The receiver has consumed this many bytes of the channel since the stream began. */
  | { readonly type: "credit"; seq: number; channel: number; consumed: number }
  /** The sender will send nothing more at all. */
  | { readonly type: "end"; seq: number }
  /** The stream is broken off; nothing follows. */
  | { readonly type: "abort"; seq: number; message: string }
  /** The sender is alive. */
  | { readonly type: "beat"; seq: number };

const TYPES = ["data", "credit", "end", "abort", "beat"] as const;
const HEADER_BYTES = 5;
const CREDIT_BYTES = 6;

/** A frame that cannot be read; the stream it came on is aborted. */
export class FrameError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** The bytes of a frame. */
export function encodeFrame(frame: Frame): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + bodyLength(frame));
  bytes[0] = TYPES.indexOf(frame.type);
  bytes.writeUInt32BE(frame.seq >>> 0, 1);
  switch (frame.type) {
    case "data":
      bytes[HEADER_BYTES] = frame.channel;
      bytes.set(frame.payload, HEADER_BYTES + 1);
      break;
    case "credit":
      bytes[HEADER_BYTES] = frame.channel;
      bytes.writeUIntBE(frame.consumed, HEADER_BYTES + 1, CREDIT_BYTES);
      break;
    case "abort":
      bytes.write(frame.message, HEADER_BYTES, "utf8");
      break;
  }
  return bytes;
}

/**
 * Reads a frame. A data frame's payload shares the memory of `bytes`.
 * @throws FrameError
 */
export function decodeFrame(bytes: Uint8Array): Frame {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < HEADER_BYTES) throw new FrameError("frame is too short");
  const type = TYPES[buffer[0] ?? TYPES.length];
  const seq = buffer.readUInt32BE(1);
  const body = buffer.subarray(HEADER_BYTES);
  switch (type) {
    case "data":
      if (body.length < 1) throw new FrameError("data frame without a channel");
      return { type, seq, channel: body[0] ?? 0, payload: body.subarray(1) };
    case "credit":
      if (body.length !== 1 + CREDIT_BYTES) throw new FrameError("credit frame of a wrong length");
      return { type, seq, channel: body[0] ?? 0, consumed: body.readUIntBE(1, CREDIT_BYTES) };
    case "abort":
      return { type, seq, message: body.toString("utf8") };
    case "end":
    case "beat":
      return { type, seq };
    default:
      throw new FrameError(`unknown frame type ${buffer[0]}`);
  }
}

function bodyLength(frame: Frame): number {
  switch (frame.type) {
    case "data":
      return 1 + frame.payload.length;
    case "credit":
      return 1 + CREDIT_BYTES;
    case "abort":
      return Buffer.byteLength(frame.message, "utf8");
    default:
      return 0;
  }
}
