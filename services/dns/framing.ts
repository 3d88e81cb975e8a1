/** DNS messages over TCP: each has its length in front of it. */
export class MessageReader {
  #pending = Buffer.alloc(0);

  /** @returns the messages that are complete now. */
  push(chunk: Buffer): Buffer[] {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    const messages: Buffer[] = [];
    while (this.#pending.length >= 2) {
      const end = 2 + this.#pending.readUInt16BE(0);
      if (this.#pending.length < end) break;
      messages.push(this.#pending.subarray(2, end));
      this.#pending = this.#pending.subarray(end);
    }
    return messages;
  }
}

export function withLength(message: Buffer): Buffer {
  const framed = Buffer.alloc(2 + message.length);
  framed.writeUInt16BE(message.length, 0);
  message.copy(framed, 2);
  return framed;
}

const HEADER_BYTES = 12;

/** Name, type and class of a message's first question, in lower case; "" when it has none. */
export function questionOf(message: Buffer): string {
  let at = HEADER_BYTES;
  while (at < message.length && message[at] !== 0) {
    const length = message[at]!;
    // A pointer cannot stand in a first question: there is nothing before it to point to.
    if (length > 63) return "";
    at += 1 + length;
  }
  const end = at + 5;
  if (end > message.length) return "";
  return message.toString("latin1", HEADER_BYTES, end).toLowerCase();
}
