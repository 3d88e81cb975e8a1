import {
  type Bus,
  BusError,
  type BusMessage,
  RequestTimeoutError,
  type Subscription,
} from "../../../shared/actor/bus.ts";
import type { ProcessFaults } from "./faults.ts";

/** The bus as a process with faults has it. Messages it sends stay in order. */
export class FaultyBus implements Bus {
  readonly #faults: ProcessFaults;
  readonly #inner: Bus;
  readonly #listeners = new Set<(connected: boolean) => void>();
  /** When the last message that was held back is due, on the monotonic clock. */
  #lastDue = 0;
  #held = 0;
  #wasConnected: boolean;

  constructor(faults: ProcessFaults, inner: Bus) {
    this.#faults = faults;
    this.#inner = inner;
    this.#wasConnected = this.connected;
    faults.onChange(() => this.#tell());
    inner.onStatus(() => this.#tell());
  }

  get connected(): boolean {
    const cut = this.#cut();
    // A client notices a cut in both directions; of one direction it learns nothing.
    return this.#inner.connected && !(cut?.send && cut.receive);
  }

  publish(subject: string, data: Uint8Array, options?: { reply?: string }): void {
    if (this.#passes()) this.#inner.publish(subject, data, options);
    else this.#send(() => this.#inner.publish(subject, data, options));
  }

  subscribe(
    pattern: string,
    handler: (message: BusMessage) => void,
    options?: { queue?: string },
  ): Subscription {
    const take = (message: BusMessage): void => {
      if (this.#passes()) {
        handler(message);
        return;
      }
      if (this.#cut()?.receive) return;
      this.#faults.boundary("receive");
      const respond = (data: Uint8Array): void => this.#send(() => message.respond(data));
      handler({ ...message, respond });
    };
    return this.#inner.subscribe(pattern, take, options);
  }

  async request(subject: string, data: Uint8Array, timeoutMs: number): Promise<BusMessage> {
    if (this.#passes()) return this.#inner.request(subject, data, timeoutMs);
    if (!this.connected) throw new BusError("the connection to the bus is lost");
    const { clock, timers } = this.#faults.runtime;
    const deadline = clock.monotonic() + timeoutMs;
    const left = (): number => Math.max(1, deadline - clock.monotonic());
    const answer = await new Promise<BusMessage>((resolve, reject) => {
      const lost = new RequestTimeoutError(`no answer on ${subject} within ${timeoutMs} ms`);
      const cancel = timers.after(timeoutMs, () => reject(lost));
      this.#send(() => {
        const asked = this.#inner.request(subject, data, left());
        asked.then(resolve, reject).finally(cancel);
      });
    });
    if (!this.#cut()?.receive) return answer;
    await timers.sleep(left());
    throw new RequestTimeoutError(`no answer on ${subject} within ${timeoutMs} ms`);
  }

  inbox(): string {
    return this.#inner.inbox();
  }

  flush(): Promise<void> {
    return this.#inner.flush();
  }

  onStatus(listener: (connected: boolean) => void): Subscription {
    this.#listeners.add(listener);
    return { stop: () => void this.#listeners.delete(listener) };
  }

  /** Nothing is wrong, and nothing that was held back is still to go before. */
  #passes(): boolean {
    return this.#faults.present === undefined && this.#held === 0;
  }

  #cut() {
    const partition = this.#faults.present?.partition;
    return partition === undefined || partition.from === "log" ? undefined : partition;
  }

  /** Sends now, later, twice, or never. */
  #send(send: () => void): void {
    if (this.#passes()) {
      send();
      return;
    }
    const { present, runtime } = this.#faults;
    this.#faults.boundary("send");
    if (this.#cut()?.send) return;
    if (this.#faults.hits(present?.drop?.probability ?? 0)) return;
    const copies = this.#faults.hits(present?.duplicate?.probability ?? 0) ? 2 : 1;
    const now = runtime.clock.monotonic();
    const due = Math.max(now + this.#faults.sendingDelay(), this.#held > 0 ? this.#lastDue : 0);
    this.#lastDue = due;
    for (let copy = 0; copy < copies; copy++) {
      if (due <= now && this.#held === 0) send();
      else this.#hold(due - now, send);
    }
  }

  #hold(ms: number, send: () => void): void {
    this.#held++;
    this.#faults.runtime.timers.after(ms, () => {
      this.#held--;
      send();
    });
  }

  #tell(): void {
    const { connected } = this;
    if (connected === this.#wasConnected) return;
    this.#wasConnected = connected;
    for (const listener of [...this.#listeners]) listener(connected);
  }
}
