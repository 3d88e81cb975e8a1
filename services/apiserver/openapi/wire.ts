/** The part of protobuf's wire format that documents need: varints, and everything of a length. */
export class ProtobufWriter {
  private readonly parts: Buffer[] = [];

  /** A text field; absent when undefined or empty, as proto3 has it. */
  text(field: number, value: unknown): this {
    if (typeof value === "string" && value !== "") this.bytes(field, Buffer.from(value));
    return this;
  }

  texts(field: number, values: unknown): this {
    if (!Array.isArray(values)) return this;
    for (const value of values) this.bytes(field, Buffer.from(String(value)));
    return this;
  }

  flag(field: number, value: unknown): this {
    if (value === true) this.parts.push(varint(field << 3), varint(1));
    return this;
  }

  message(field: number, message: ProtobufWriter | undefined): this {
    if (message) this.bytes(field, message.end());
    return this;
  }

  private bytes(field: number, bytes: Buffer): void {
    this.parts.push(varint((field << 3) | 2), varint(bytes.length), bytes);
  }

  end(): Buffer {
    return Buffer.concat(this.parts);
  }
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}
