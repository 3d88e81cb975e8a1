import type { Runtime } from "../runtime/runtime.ts";
import type { Bus } from "./bus.ts";

/**
 * What every actor is handed when it starts; nothing else connects it to the world. Live, main.ts
 * wires the real ones; in the simulation the same start functions get a seeded runtime and a
 * simulated bus.
 */
export interface ActorDependencies {
  readonly runtime: Runtime;
  /** Connected under the actor's own identity. */
  readonly bus: Bus;
  readonly logger: Logger;
  /** Unique name of this replica, e.g. `replicaset-7f3a`. Recorded with everything it writes. */
  readonly replica: string;
  /**
   * The process that this is a life of, unique in the cluster. Whoever starts it does so only when
   * its former life has ended: the others need not wait for that one's silence.
   */
  readonly process?: string;
}

/** A started actor. */
export interface Running {
  /** Stops taking work, lets what is under way settle, and leaves (membership, watches). */
  stop(): Promise<void>;
}

/** The part of pino's interface that actors use: fields first, then the message. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Says nothing: for tests and tools. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
