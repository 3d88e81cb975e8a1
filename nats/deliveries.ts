/** What messages are for. */
export interface Receiver<Message> {
  take(message: Message): void;
}

export interface Turns {
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** Runs it in a later turn of the event loop, after what has arrived meanwhile. */
  later(run: () => void): void;
}

/** How long deliveries may take in a row. */
const SLICE_MS = 3;
/** What was delivered is cut off the queue when it is so much, and half of all. */
const CUT_LEAST = 1_024;

const LIVE: Turns = { now: () => performance.now(), later: (run) => void setImmediate(run) };

/**
 * Hands messages to their receivers in the order in which they were offered, for some milliseconds
 * at a time; then the event loop has a turn. A socket gives away up to 2 MB at once, and to take
 * the hundreds of messages in it can last longer than a client should wait for anything.
 */
export class Deliveries<Message> {
  readonly #turns: Turns;
  #queue: [Receiver<Message>, Message][] = [];
  #taken = 0;
  /** When those of this turn have taken long enough; undefined: none was delivered in it yet. */
  #ends: number | undefined;

  constructor(turns: Turns = LIVE) {
    this.#turns = turns;
  }

  /** At once when nothing waits and this turn still has time. */
  offer(receiver: Receiver<Message>, message: Message): void {
    if (this.#ends === undefined) this.#beginSlice();
    if (this.#taken === this.#queue.length && !this.#isOver()) receiver.take(message);
    else this.#queue.push([receiver, message]);
  }

  #beginSlice(): void {
    this.#ends = this.#turns.now() + SLICE_MS;
    this.#turns.later(() => this.#turn());
  }

  #isOver(): boolean {
    return this.#ends !== undefined && this.#turns.now() >= this.#ends;
  }

  #turn(): void {
    this.#ends = undefined;
    if (this.#taken === this.#queue.length) return;
    this.#beginSlice();
    do {
      const [receiver, message] = this.#queue[this.#taken++] as [Receiver<Message>, Message];
      receiver.take(message);
    } while (this.#taken < this.#queue.length && !this.#isOver());
    this.#cut();
  }

  #cut(): void {
    const { length } = this.#queue;
    const all = this.#taken === length;
    if (!all && (this.#taken < CUT_LEAST || 2 * this.#taken < length)) return;
    this.#queue = all ? [] : this.#queue.slice(this.#taken);
    this.#taken = 0;
  }
}
