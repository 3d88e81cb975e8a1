import type { Msg, MsgHdrs } from "nats";

/**
 * Message headers as text. The client library's own headers keep every name and value in a map,
 * in canonical spelling; for a log of a hundred thousand messages that took most of the time of
 * reading it, and a third of writing it.
 */
const VERSION = "NATS/1.0";
const END = "\r\n";
const NONE = Buffer.from(VERSION + END);

/** Headers to be published: names as they shall be spelled, values without line ends. */
export function headersOf(fields: Iterable<readonly [string, string]>): MsgHdrs {
  let text = VERSION + END;
  for (const [name, value] of fields) text += `${name}: ${value}${END}`;
  const bytes = Buffer.from(text + END, "latin1");
  // All that the library does with a message's headers is to encode them.
  return { encode: () => bytes } as unknown as MsgHdrs;
}

/** Where the library keeps a message's bytes, and how many of them are headers. */
interface RawMessage {
  readonly _msg?: { readonly hdr?: number };
  readonly _rdata?: Uint8Array;
}

/** Headers of a received message. */
export class Headers {
  readonly #bytes: Buffer;
  /** The same, for searching. */
  readonly #text: string;

  constructor(message: Msg) {
    const { _msg: place, _rdata: bytes } = message as unknown as RawMessage;
    const length = place?.hdr ?? -1;
    this.#bytes = bytes && length > 0 ? Buffer.from(bytes.buffer, bytes.byteOffset, length) : NONE;
    this.#text = this.#bytes.toString("latin1");
  }

  /** The value of the first header with this name, in this spelling. */
  get(name: string): string | undefined {
    const found = this.#text.indexOf(`${END}${name}:`);
    if (found < 0) return undefined;
    let start = found + END.length + name.length + 1;
    if (this.#text[start] === " ") start += 1;
    // Not a slice of the text: that would keep the whole text in memory as long as the value.
    return this.#bytes.toString("latin1", start, this.#text.indexOf(END, start));
  }

  /** The status of a message that the server made, e.g. 404; 0 for all others. */
  get status(): number {
    return Number.parseInt(this.#text.slice(VERSION.length, VERSION.length + 4), 10) || 0;
  }

  /** The words behind the status. */
  get description(): string {
    return this.#text.slice(VERSION.length + 4, this.#text.indexOf(END)).trim();
  }
}

/** The status of a message that consists of nothing else; 0 for all others. */
export function statusOf(message: Msg): number {
  return message.data.length > 0 ? 0 : new Headers(message).status;
}
