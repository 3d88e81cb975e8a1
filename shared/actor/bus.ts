/**
 * Messages between processes: NATS core subjects in the live system (nats/bus.ts), a simulated
 * network in the simulation (test/sim). At most once; order is kept per publisher and subject.
 * Subjects are NATS subjects; tokens of a pattern may be `*` or a final `>`.
 */
export interface Bus {
  publish(subject: string, data: Uint8Array, options?: { reply?: string }): void;
  /** With `queue`, each message goes to one of the subscribers of that queue group. */
  subscribe(
    pattern: string,
    handler: (message: BusMessage) => void,
    options?: { queue?: string },
  ): Subscription;
  /**
   * One request, one answer.
   * @throws NoResponderError at once when nobody serves the subject, RequestTimeoutError after
   *   `timeoutMs`.
   */
  request(subject: string, data: Uint8Array, timeoutMs: number): Promise<BusMessage>;
  /** A fresh subject that only this connection receives on, for answers that are streams. */
  inbox(): string;
  /** Resolves when everything published so far has reached the server. */
  flush(): Promise<void>;
  /** True while connected. `onStatus` is called on each change. */
  readonly connected: boolean;
  onStatus(listener: (connected: boolean) => void): Subscription;
}

export interface BusMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly reply?: string;
  /** Publishes the answer to `reply`; does nothing when the sender wants none. */
  respond(data: Uint8Array): void;
}

export interface Subscription {
  stop(): void;
}

export class BusError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}
export class NoResponderError extends BusError {}
export class RequestTimeoutError extends BusError {}
