/** HTTP/1.1 answers taken apart: as much of the protocol as API servers use, and no more. */

/** What a body may be made of, in the order of its coming. */
export interface AnswerParts {
  /** Of each answer once, before its body. */
  head(code: number): void;
  data(part: Buffer): void;
  /** `last`: the server closes the connection. */
  end(last: boolean): void;
}

type State = "head" | "length" | "chunk size" | "chunk" | "chunk end" | "trailer";

const HEAD_END = "\r\n\r\n";
const LINE_END = "\r\n";

/** Fed with what comes over one connection, it calls `parts`. */
export class AnswerParser {
  readonly #parts: AnswerParts;
  #state: State = "head";
  #rest: Buffer | undefined;
  /** Of the body or of the chunk. */
  #bytesLeft = 0;
  #last = false;

  constructor(parts: AnswerParts) {
    this.#parts = parts;
  }

  /** @throws Error on what is not HTTP/1.1, or without a length */
  feed(part: Buffer): void {
    const bytes = this.#rest === undefined ? part : Buffer.concat([this.#rest, part]);
    this.#rest = undefined;
    let at = 0;
    while (at < bytes.length) {
      const next = this.#step(bytes, at);
      if (next < 0) {
        this.#rest = bytes.subarray(at);
        return;
      }
      at = next;
    }
  }

  /** Where the next step begins; -1: more bytes are needed. */
  #step(bytes: Buffer, at: number): number {
    if (this.#state === "head") return this.#head(bytes, at);
    if (this.#state === "length" || this.#state === "chunk") return this.#body(bytes, at);
    const end = bytes.indexOf(LINE_END, at, "latin1");
    if (end < 0) return -1;
    if (this.#state === "chunk size") {
      this.#bytesLeft = Number.parseInt(bytes.toString("latin1", at, end), 16);
      if (Number.isNaN(this.#bytesLeft)) throw new Error("a chunk without a size");
      this.#state = this.#bytesLeft === 0 ? "trailer" : "chunk";
    } else if (this.#state === "chunk end") this.#state = "chunk size";
    else if (end === at) this.#end();
    return end + LINE_END.length;
  }

  #head(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(HEAD_END, at, "latin1");
    if (end < 0) return -1;
    const head = bytes.toString("latin1", at, end);
    if (!head.startsWith("HTTP/1.1 ")) throw new Error(`no HTTP/1.1: ${head.slice(0, 80)}`);
    const code = Number(head.slice(9, 12));
    const body = end + HEAD_END.length;
    if (code < 200) return body;
    this.#parts.head(code);
    this.#last = /\r\nconnection: *close/i.test(head);
    if (/\r\ntransfer-encoding: *chunked/i.test(head)) this.#state = "chunk size";
    else {
      const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
      if (length === undefined && code !== 204 && code !== 304) {
        throw new Error(`an answer without a length: ${head.slice(0, 80)}`);
      }
      this.#bytesLeft = Number(length ?? 0);
      this.#state = "length";
      if (this.#bytesLeft === 0) this.#end();
    }
    return body;
  }

  #body(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#bytesLeft);
    this.#bytesLeft -= end - at;
    this.#parts.data(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
    if (this.#bytesLeft === 0) {
      if (this.#state === "length") this.#end();
      else this.#state = "chunk end";
    }
    return end;
  }

  #end(): void {
    this.#state = "head";
    this.#parts.end(this.#last);
  }
}
