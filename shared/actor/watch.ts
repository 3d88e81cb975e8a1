import type { KubernetesObject } from "../api/object.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Key, Revision } from "../store/store.ts";
import {
  type MoreRequest,
  type StatusBody,
  type StopRequest,
  WATCH_BEAT_MS,
  WATCH_SILENCE_MS,
  WATCH_WINDOW_FRAMES,
  type WatchFrame,
  type WatchRequest,
} from "./api.ts";
import type { Arrivals } from "./arrivals.ts";
import { backoffMs } from "./backoff.ts";
import type { Bus, BusMessage, Subscription } from "./bus.ts";
import type { Logger } from "./dependencies.ts";

/**
 * Receives one resource as it changes. A listing is `listing`, `version`..., `synced`; from then on
 * each revision comes once, in order, whatever happens to messages and servers. Only when the
 * history in between is gone does another listing follow.
 */
export interface ApiWatchHandler {
  /** The present state follows; what it does not name before `synced` no longer exists. */
  listing(): void;
  /** `object` undefined: deleted, or no longer selected. */
  version(key: Key, revision: Revision, object: KubernetesObject | undefined): void;
  synced(revision: Revision): void;
  /** Everything up to this revision has been delivered. */
  reached(revision: Revision): void;
}

export interface WatchOptions {
  readonly bus: Bus;
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly arrivals: Arrivals;
  readonly subject: (verb: string) => string;
  readonly watch: Omit<WatchRequest, "consumer" | "from">;
  readonly handler: ApiWatchHandler;
}

const RETRY = { baseMs: 50, maxMs: 2_000 };
const SILENCE_BEATS_MAX = 2;

/** Starts a watch that goes on until stopped, over lost messages and servers. */
export function startWatch(options: WatchOptions): Subscription {
  return new ApiWatch(options);
}

class ApiWatch implements Subscription {
  readonly #options: WatchOptions;
  readonly #cancelTick: () => void;
  readonly #cancelArrivals: () => void;
  /** All up to here has been delivered; undefined: begin with a listing. */
  #revision: Revision | undefined;
  #inbox = "";
  #subscription: Subscription | undefined;
  #received = 0;
  #acknowledged = 0;
  #acknowledgedAt = 0;
  #heardAt = 0;
  /** Ticks since a frame came: who was busy for a while has not listened either. */
  #silentTicks = 0;
  #attempts = 0;
  #askAgainAt = Number.POSITIVE_INFINITY;
  #stopped = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#cancelTick = options.runtime.timers.every(WATCH_BEAT_MS, () => this.#tick());
    this.#cancelArrivals = options.arrivals.each(() => this.#askArrived());
    this.#ask();
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#cancelTick();
    this.#cancelArrivals();
    this.#leave();
  }

  #ask(): void {
    this.#leave();
    const { bus, runtime, subject, watch, handler } = this.#options;
    const inbox = bus.inbox();
    this.#inbox = inbox;
    this.#received = 0;
    this.#acknowledged = 0;
    this.#heardAt = runtime.clock.monotonic();
    this.#silentTicks = 0;
    this.#acknowledgedAt = this.#heardAt;
    this.#askAgainAt = Number.POSITIVE_INFINITY;
    this.#subscription = bus.subscribe(inbox, (message) => this.#frame(message));
    if (this.#revision === undefined) handler.listing();
    const request: WatchRequest = {
      ...watch,
      consumer: inbox,
      ...(this.#revision === undefined ? {} : { from: this.#revision }),
    };
    bus.publish(subject("watch"), encode(request), { reply: inbox });
  }

  /** Leaves the present server: it may still be there and sending. */
  #leave(): void {
    if (this.#subscription === undefined) return;
    this.#subscription.stop();
    this.#subscription = undefined;
    const stop: StopRequest = { consumer: this.#inbox };
    this.#options.bus.publish(this.#options.subject("stop"), encode(stop));
  }

  #askLater(): void {
    this.#leave();
    const { runtime } = this.#options;
    const random = runtime.random.stream("api-watch/backoff");
    const wait = backoffMs(++this.#attempts, RETRY, random);
    this.#askAgainAt = runtime.clock.monotonic() + wait;
    runtime.timers.after(wait, () => this.#askIfDue());
  }

  #askIfDue(): void {
    if (!this.#stopped && this.#options.runtime.clock.monotonic() >= this.#askAgainAt) this.#ask();
  }

  /** There is an apiserver again. One that serves this watch would have been heard of lately. */
  #askArrived(): void {
    const silence = this.#options.runtime.clock.monotonic() - this.#heardAt;
    if (this.#subscription === undefined || silence > WATCH_BEAT_MS) this.#ask();
  }

  #tick(): void {
    const now = this.#options.runtime.clock.monotonic();
    if (this.#subscription === undefined) this.#askIfDue();
    else if (++this.#silentTicks > SILENCE_BEATS_MAX) this.#ask();
    else if (now - this.#acknowledgedAt > WATCH_SILENCE_MS / 4) this.#acknowledge();
  }

  #acknowledge(): void {
    this.#acknowledged = this.#received;
    this.#acknowledgedAt = this.#options.runtime.clock.monotonic();
    const more: MoreRequest = { consumer: this.#inbox, received: this.#received };
    this.#options.bus.publish(this.#options.subject("more"), encode(more));
  }

  #frame(message: BusMessage): void {
    if (this.#stopped || message.subject !== this.#inbox) return;
    const frame = parseFrame(message.data);
    if (frame === undefined) {
      // Nobody serves the subject, or a server that speaks otherwise.
      this.#askLater();
    } else if (frame.sequence === this.#received + 1) {
      this.#received = frame.sequence;
      this.#heardAt = this.#options.runtime.clock.monotonic();
      this.#silentTicks = 0;
      this.#take(frame);
      if (this.#received - this.#acknowledged >= WATCH_WINDOW_FRAMES / 4) this.#acknowledge();
    } else if (frame.sequence > this.#received) {
      this.#ask();
    }
  }

  #take(frame: WatchFrame): void {
    if (frame.type === "ended") {
      this.#ended(frame.status);
      return;
    }
    if (frame.type === "version") {
      this.#version(frame.key, frame.revision, frame.object);
      return;
    }
    this.#attempts = 0;
    if (this.#revision !== undefined) {
      this.#reach(frame.revision);
    } else if (frame.type === "synced") {
      this.#revision = frame.revision;
      this.#options.handler.synced(frame.revision);
    }
    // A beat before `synced` says only that the server lives.
  }

  #ended(status: StatusBody): void {
    if (status.code === 410) {
      this.#revision = undefined;
    } else {
      const { logger, watch } = this.#options;
      const { code, message } = status;
      logger.warn({ resource: watch.resource, code, reason: message }, "watch ended");
    }
    this.#askLater();
  }

  #version(key: Key, revision: Revision, object: KubernetesObject | undefined): void {
    const { handler } = this.#options;
    if (this.#revision === undefined) {
      handler.version(key, revision, object);
    } else if (revision > this.#revision) {
      handler.version(key, revision, object);
      this.#reach(revision);
    }
  }

  #reach(revision: Revision): void {
    if (this.#revision !== undefined && revision < this.#revision) return;
    this.#revision = revision;
    this.#options.handler.reached(revision);
  }
}

function encode(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function parseFrame(data: Uint8Array): WatchFrame | undefined {
  try {
    const frame = JSON.parse(Buffer.from(data).toString()) as Partial<WatchFrame> | null;
    if (typeof frame?.sequence !== "number" || typeof frame.type !== "string") return undefined;
    return frame as WatchFrame;
  } catch {
    return undefined;
  }
}
