import {
  WATCH_BEAT_MS,
  WATCH_SILENCE_MS,
  WATCH_WINDOW_FRAMES,
  type WatchRequest,
} from "../../../shared/actor/api.ts";
import { badRequest, failure, statusOf } from "../../../shared/api/errors.ts";
import { kindByResource } from "../../../shared/api/kinds.ts";
import type { Cancel } from "../../../shared/runtime/runtime.ts";
import { CompactedError, type Revision } from "../../../shared/store/store.ts";
import { authorize } from "../authorize.ts";
import { type EngineContext, type Log, logOfTable } from "../context.ts";
import type { UserInfo } from "../request.ts";
import { type Selection, selectionOf } from "../select.ts";
import type { SelectedChange } from "../watch/hub.ts";
import { storeStatus } from "../write.ts";
import { type Backlog, changesFrom, presentState } from "./backlog.ts";
import { encodeFrame, type FrameTail, versionTail } from "./frame-tail.ts";

/** Frames that may wait for a consumer's `more` before its watch is ended. */
const PENDING_FRAMES_MAX = 50_000;
const EXPIRED = 410;
/** What a watch begins with is gone through in steps of so many. */
const STEP = 32;

/** The watches that actors have over the bus, by consumer (shared/actor/api.ts). */
export class BusWatches {
  readonly #context: EngineContext;
  readonly #sessions = new Map<string, BusWatch>();

  constructor(context: EngineContext) {
    this.#context = context;
  }

  /** Starts a watch whose frames go to `send`. Failures are `ended` frames. */
  async start(
    identity: string,
    user: UserInfo,
    request: WatchRequest,
    send: (frame: Uint8Array) => void,
  ): Promise<void> {
    const { consumer } = request;
    this.#sessions.get(consumer)?.stop();
    const session = new BusWatch(this.#context, identity, send, () => {
      if (this.#sessions.get(consumer) === session) this.#sessions.delete(consumer);
    });
    this.#sessions.set(consumer, session);
    try {
      const selection = this.#selection(user, request);
      const log = logOfTable(this.#context, selection.table);
      if (request.from === undefined) await log.freshness.latest();
      else await log.freshness.reached(request.from);
      session.begin(log, selection, request.from);
    } catch (error) {
      session.end(error);
    }
  }

  /** Every replica hears every `more` and `stop`; only the one that serves the consumer acts. */
  more(identity: string, consumer: string, received: number): void {
    const session = this.#sessions.get(consumer);
    if (session?.identity === identity) session.more(received);
  }

  stop(identity: string, consumer: string): void {
    const session = this.#sessions.get(consumer);
    if (session?.identity === identity) session.stop();
  }

  stopAll(): void {
    for (const session of [...this.#sessions.values()]) session.stop();
  }

  #selection(user: UserInfo, request: WatchRequest): Selection {
    const { resource, namespace = "", labelSelector = "", fieldSelector = "" } = request;
    const table = kindByResource(resource);
    if (table === undefined || table.log === "none") {
      throw badRequest(`there is no stored resource ${JSON.stringify(resource)}`);
    }
    const selection = selectionOf(table, namespace, labelSelector, fieldSelector);
    authorize(this.#context, {
      user,
      verb: "watch",
      group: table.group,
      resource: table.plural,
      subresource: "",
      namespace,
      name: selection.fields.exact("metadata.name") ?? "",
      fieldSelector: fieldSelector ?? "",
    });
    return selection;
  }
}

class BusWatch {
  readonly identity: string;
  readonly #context: EngineContext;
  readonly #send: (frame: Uint8Array) => void;
  readonly #gone: () => void;
  readonly #cancels: Cancel[] = [];
  #log: Log | undefined;
  #sequence = 0;
  #received = 0;
  #heardAt: number;
  #sentAt: number;
  /** What comes before all changes from now on, of which `#next` is to be looked at next. */
  #backlog: Backlog | undefined;
  #next = 0;
  /** A step of the backlog is due. */
  #due = false;
  /** What is to be told next. */
  #pending: SelectedChange[] = [];
  #stopped = false;

  constructor(
    context: EngineContext,
    identity: string,
    send: (frame: Uint8Array) => void,
    gone: () => void,
  ) {
    this.#context = context;
    this.identity = identity;
    this.#send = send;
    this.#gone = gone;
    this.#heardAt = context.runtime.clock.monotonic();
    this.#sentAt = this.#heardAt;
    this.#cancels.push(context.runtime.timers.every(WATCH_BEAT_MS, () => this.#tick()));
  }

  begin(log: Log, selection: Selection, from: Revision | undefined): void {
    if (this.#stopped) return;
    this.#log = log;
    const { projection } = log;
    if (from === undefined) this.#backlog = presentState(projection, selection);
    else if (projection.revision > from) this.#backlog = changesFrom(projection, selection, from);
    this.#cancels.push(log.watches.subscribe(selection, (change) => this.#changed(change)));
    this.#goOn();
  }

  more(received: number): void {
    this.#heardAt = this.#context.runtime.clock.monotonic();
    this.#received = Math.max(this.#received, Math.min(received, this.#sequence));
    this.#goOn();
  }

  /** Tells the consumer why, and stops. */
  end(error: unknown): void {
    if (this.#stopped) return;
    const expired = error instanceof CompactedError;
    const problem = expired ? failure(EXPIRED, "Expired", error.message) : storeStatus(error);
    this.#write(encodeFrame({ type: "ended", status: statusOf(problem) }));
    this.stop();
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#backlog = undefined;
    this.#pending = [];
    for (const cancel of this.#cancels) cancel();
    this.#gone();
  }

  #changed(selected: SelectedChange): void {
    try {
      this.#push(selected);
    } catch (error) {
      this.#context.logger.error({ err: error }, "a change could not be sent");
      this.stop();
    }
  }

  #push(selected: SelectedChange): void {
    this.#pending.push(selected);
    if (this.#pending.length > PENDING_FRAMES_MAX) {
      this.end(failure(429, "TooManyRequests", "the consumer is too slow for its watch"));
      return;
    }
    this.#goOn();
  }

  get #open(): boolean {
    return this.#sequence - this.#received < WATCH_WINDOW_FRAMES;
  }

  /** Sends what the window lets through: of the backlog a little in each turn, then changes. */
  #goOn(): void {
    if (this.#stopped || this.#due || !this.#open) return;
    const { slices } = this.#context;
    if (this.#backlog === undefined) this.#flush(() => slices.hasTime());
    if (!this.#hasMore) return;
    this.#due = true;
    slices.add(() => {
      this.#due = this.#step();
      return this.#due;
    });
  }

  /** Whether the window lets through more. */
  get #hasMore(): boolean {
    return this.#open && (this.#backlog !== undefined || this.#pending.length > 0);
  }

  /** Sends a part of what there is; true when the window lets through more of it. */
  #step(): boolean {
    try {
      return this.#stepThrough();
    } catch (error) {
      this.#context.logger.error({ err: error }, "a watch could not begin");
      this.end(error);
      return false;
    }
  }

  #stepThrough(): boolean {
    if (this.#stopped) return false;
    const backlog = this.#backlog;
    if (backlog === undefined) {
      let left = STEP;
      this.#flush(() => left-- > 0);
      return this.#hasMore;
    }
    const stop = Math.min(this.#next + STEP, backlog.length);
    while (this.#next < stop && this.#open) {
      const tail = backlog.tail(this.#next++);
      if (tail !== undefined) this.#write(tail);
    }
    if (!this.#open || this.#next < backlog.length) return this.#open;
    this.#backlog = undefined;
    if (backlog.end !== undefined) this.#write(backlog.end);
    return this.#hasMore;
  }

  /** Sends changes as long as the window lets them through and `goOn` says so. */
  #flush(goOn: () => boolean): void {
    let taken = 0;
    for (const selected of this.#pending) {
      if (!this.#open || !goOn()) break;
      this.#write(tailOf(selected));
      taken += 1;
    }
    this.#pending.splice(0, taken);
  }

  #tick(): void {
    const now = this.#context.runtime.clock.monotonic();
    if (now - this.#heardAt > WATCH_SILENCE_MS) this.stop();
    else if (now - this.#sentAt >= WATCH_BEAT_MS / 2) this.#beat();
  }

  /** Promises everything up to its revision, so it must not run ahead of what waits. */
  #beat(): void {
    const first = this.#pending[0];
    const reached = this.#log?.projection.revision ?? 0;
    const revision = first === undefined ? reached : first.change.revision - 1;
    this.#write(encodeFrame({ type: "beat", revision: this.#backlog ? 0 : revision }));
  }

  #write(tail: FrameTail): void {
    this.#sequence += 1;
    this.#sentAt = this.#context.runtime.clock.monotonic();
    const head = Buffer.from(`{"sequence":${this.#sequence},`);
    this.#send(Buffer.concat([head, tail]));
  }
}

/** Encoded once for all consumers. */
function tailOf(selected: SelectedChange): FrameTail {
  const { type, change } = selected;
  return selected.shared("bus", () =>
    versionTail(change.entry, change.revision, type !== "DELETED"),
  );
}
