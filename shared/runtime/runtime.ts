/**
 * The only door to time, randomness and identifiers.
 *
 * Product code never reads a clock, starts a timer or draws a random number by itself; it is handed
 * a Runtime. `live.ts` is the one real implementation, `seeded.ts` the simulated one, in which time
 * is virtual and every draw follows from a seed. (DESIGN D13.)
 */
export interface Runtime {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly ids: Ids;
}

export interface Clock {
  /** Wall clock: whole milliseconds since the Unix epoch. May jump (skew): not for measuring. */
  now(): number;
  /** Milliseconds since an arbitrary start, fractional, never going back. For durations. */
  monotonic(): number;
}

export interface Timers {
  /** Calls `run` once after `ms` milliseconds (at least 0), unless cancelled first. */
  after(ms: number, run: () => void): Cancel;
  /** Calls `run` every `ms` milliseconds until cancelled. The first call comes after `ms`. */
  every(ms: number, run: () => void): Cancel;
  /** Resolves after `ms` milliseconds. In a simulated process that has crashed, never. */
  sleep(ms: number): Promise<void>;
}

export type Cancel = () => void;

export interface Random {
  /**
   * A named stream of random numbers. Two names never disturb one another, so a new draw in one
   * place leaves every other place's numbers as they were.
   */
  stream(name: string): RandomStream;
}

export interface RandomStream {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform whole number in [0, below). `below` is at least 1. */
  integer(below: number): number;
  /** `length` random bytes (cryptographically strong in the live runtime). */
  bytes(length: number): Uint8Array;
}

export interface Ids {
  /** A new ULID, sortable by time: trace ids, decision ids. */
  ulid(): string;
  /** A new RFC 4122 version 4 UUID: `metadata.uid`. */
  uuid(): string;
}
