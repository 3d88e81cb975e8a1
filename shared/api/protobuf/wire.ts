import { badRequest } from "../errors.ts";

/** One field of a message as it is on the wire. */
export interface WireField {
  readonly number: number;
  /** Varints and fixed numbers as they are; everything else as bytes. */
  readonly value: bigint | number | Uint8Array;
}

/**
 * The fields of a message in their order.
 * @throws StatusError BadRequest
 */
export function* wireFields(message: Uint8Array): Generator<WireField> {
  const reader = new Reader(message);
  while (!reader.done) {
    const key = Number(reader.varint());
    const number = Math.floor(key / 8);
    if (number === 0) throw malformed();
    yield { number, value: reader.value(key % 8) };
  }
}

/** Numbers written one behind the other in one field. */
export function packedVarints(bytes: Uint8Array): bigint[] {
  const reader = new Reader(bytes);
  const values: bigint[] = [];
  while (!reader.done) values.push(reader.varint());
  return values;
}

/** What is answered for bytes that are no message. */
export function malformed() {
  return badRequest("the body of the request is not valid protobuf");
}

class Reader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.#offset >= this.#bytes.length;
  }

  varint(): bigint {
    let result = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#offset++];
      if (byte === undefined) throw malformed();
      result |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, result);
    }
    throw malformed();
  }

  value(wireType: number): bigint | number | Uint8Array {
    switch (wireType) {
      case 0:
        return this.varint();
      case 1:
        return this.#take(8).readDoubleLE(0);
      case 2:
        return this.#take(Number(this.varint()));
      case 5:
        return this.#take(4).readFloatLE(0);
      default:
        throw malformed();
    }
  }

  #take(length: number): Buffer {
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw malformed();
    const taken = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return taken;
  }
}
