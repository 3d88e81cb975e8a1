/** Channels of a node stream, numbered as in Kubernetes' remote command protocol. */
export const STDIN = 0;
export const STDOUT = 1;
export const STDERR = 2;
/** Ends with a Status (JSON) for exec and attach, with text for port-forward. */
export const ERROR = 3;
/** `{"Width": columns, "Height": rows}` (JSON), one object a chunk. */
export const RESIZE = 4;
/** The payload is one byte: the channel that its sender has closed. */
export const CLOSE = 255;

/** Bytes of one channel on their way out: what the peer has room for is sent, the rest waits. */
export class OutgoingChannel {
  readonly #queue: { data: Uint8Array; sent: () => void }[] = [];
  #sent = 0;
  #consumed = 0;
  closed = false;

  /** Queues the data; `sent` is called when its last byte has been taken by `take`. */
  push(data: Uint8Array, sent: () => void): void {
    this.#queue.push({ data, sent });
  }

  /** The peer's cumulative count of consumed bytes. False when it makes no sense. */
  credit(consumed: number): boolean {
    if (consumed < this.#consumed || consumed > this.#sent) return false;
    this.#consumed = consumed;
    return true;
  }

  get empty(): boolean {
    return this.#queue.length === 0;
  }

  /** The next chunk that fits in the window, of at most `most` bytes; undefined: wait. */
  take(window: number, most: number): { chunk: Uint8Array; sent?: () => void } | undefined {
    const head = this.#queue[0];
    if (head === undefined) return undefined;
    const room = Math.min(window - (this.#sent - this.#consumed), most);
    if (head.data.length > 0 && room <= 0) return undefined;
    const chunk = head.data.subarray(0, room);
    this.#sent += chunk.length;
    if (chunk.length < head.data.length) {
      head.data = head.data.subarray(chunk.length);
      return { chunk };
    }
    this.#queue.shift();
    return { chunk, sent: head.sent };
  }

  /** Forgets what waits; every `sent` is called, so that no writer hangs. */
  drop(): void {
    for (const { sent } of this.#queue.splice(0)) sent();
  }
}

/** Bytes of one channel that have arrived and wait for their reader. */
export class IncomingChannel {
  readonly #queue: Uint8Array[] = [];
  #wake: (() => void) | undefined;
  #received = 0;
  #consumed = 0;
  #reported = 0;
  #finished = false;

  /** False when the peer has sent more than the window allows. */
  push(data: Uint8Array, window: number): boolean {
    this.#received += data.length;
    if (this.#received - this.#consumed > window) return false;
    if (!this.#finished && data.length > 0) {
      this.#queue.push(data);
      this.#signal();
    }
    return true;
  }

  /** Nothing more comes; the reader ends after what waits. */
  finish(): void {
    this.#finished = true;
    this.#signal();
  }

  /** Nothing more comes and what waits is dropped. */
  drop(): void {
    this.#queue.length = 0;
    this.finish();
  }

  /** The next chunk, now; undefined when none waits. */
  shift(): Uint8Array | undefined {
    const chunk = this.#queue.shift();
    if (chunk !== undefined) this.#consumed += chunk.length;
    return chunk;
  }

  get finished(): boolean {
    return this.#finished;
  }

  /** Resolves when `shift` or `finished` may have something new. */
  arrival(): Promise<void> {
    if (this.#finished || this.#queue.length > 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** The cumulative count to report, once at least half of the window is to be given back. */
  creditDue(window: number): number | undefined {
    if (this.#consumed - this.#reported < window / 2) return undefined;
    this.#reported = this.#consumed;
    return this.#consumed;
  }

  #signal(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
