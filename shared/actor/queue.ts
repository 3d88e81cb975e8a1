import type { Cancel, RandomStream, Runtime } from "../runtime/runtime.ts";
import type { Key, Revision } from "../store/store.ts";
import { type BackoffOptions, backoffMs } from "./backoff.ts";

/** A key to pass over, and the newest change that asked for it (0: a timer, or the start). */
export interface QueueItem {
  readonly key: Key;
  readonly cause: Revision;
}

interface KeyState {
  cause: Revision;
  /** Asked for, and not taken yet. */
  wanted: boolean;
  /** Waiting in `#ready`. */
  ready: boolean;
  taken: boolean;
  failures: number;
  /** Not to be taken before this moment of the monotonic clock: after a failure. */
  notBeforeMs: number;
  /** Nor before this one, whatever changes: it has had its share of the time. */
  restsUntilMs: number;
  cancelTimer: Cancel | undefined;
}

/** First the wait after a failure, then the longest one. */
const BACKOFF: BackoffOptions = { baseMs: 20, maxMs: 30_000 };
/** As good as a change: somebody else was faster, which says nothing against the next pass. */
const BACKOFF_AFTER_CONFLICT: BackoffOptions = { baseMs: 20, maxMs: 100 };
/** After a change the input is new: no key in back-off waits longer than this for it. */
const WAIT_AFTER_CHANGE: BackoffOptions = { baseMs: 100, maxMs: 100 };

/**
 * The keys that want a pass. Each is held once, however often it is asked for; it is taken by one
 * at a time, and what is asked meanwhile is remembered; after a failure it rests, longer each time.
 */
export class KeyQueue {
  readonly #runtime: Runtime;
  readonly #random: RandomStream;
  readonly #onReady: () => void;
  readonly #states = new Map<Key, KeyState>();
  #ready: Key[] = [];
  #head = 0;
  #closed = false;

  /** `onReady` is called whenever a key can be taken that could not be before. */
  constructor(runtime: Runtime, onReady: () => void) {
    this.#runtime = runtime;
    this.#random = runtime.random.stream("key-queue/backoff");
    this.#onReady = onReady;
  }

  /** Keys ready to be taken. */
  get length(): number {
    return this.#ready.length - this.#head;
  }

  /** Keys that it knows anything about: ready, taken, waiting. */
  get size(): number {
    return this.#states.size;
  }

  /** Asks for a pass because of a change. */
  add(key: Key, cause: Revision): void {
    const state = this.#stateOf(key);
    state.cause = Math.max(state.cause, cause);
    state.wanted = true;
    if (state.taken || state.ready) return;
    const now = this.#runtime.clock.monotonic();
    if (state.restsUntilMs > now) {
      if (state.notBeforeMs < state.restsUntilMs) this.#wakeAt(key, state, state.restsUntilMs);
      return;
    }
    if (state.notBeforeMs <= now) {
      this.#makeReady(key, state);
      return;
    }
    const soon = now + backoffMs(1, WAIT_AFTER_CHANGE, this.#random);
    if (soon < state.notBeforeMs) this.#wakeAt(key, state, soon);
  }

  /** Asks for a pass in a while; sooner when one is wanted anyway. */
  rest(key: Key, cause: Revision, ms: number): void {
    const state = this.#stateOf(key);
    if (state.taken || state.wanted) this.add(key, cause);
    else this.#after(state, ms, () => this.add(key, 0));
  }

  /** The next key, for the caller alone until `done`. */
  take(): QueueItem | undefined {
    if (this.#head === this.#ready.length) return undefined;
    const key = this.#ready[this.#head++]!;
    if (this.#head > 1024 && this.#head * 2 > this.#ready.length) {
      this.#ready = this.#ready.slice(this.#head);
      this.#head = 0;
    }
    const state = this.#stateOf(key);
    const { cause } = state;
    state.cancelTimer?.();
    Object.assign(state, { ready: false, wanted: false, taken: true, cause: 0 });
    state.cancelTimer = undefined;
    return { key, cause };
  }

  /**
   * The pass is over: the key may be taken again, not before `restsUntilMs` of the monotonic clock,
   * and after `afterMs` even if nothing changes.
   */
  done(key: Key, afterMs?: number, restsUntilMs = 0): void {
    const state = this.#stateOf(key);
    const restMs = restsUntilMs - this.#runtime.clock.monotonic();
    Object.assign(state, { taken: false, failures: 0, notBeforeMs: 0, restsUntilMs });
    if (this.#closed) return;
    if (state.wanted && restMs <= 0) this.#makeReady(key, state);
    else if (state.wanted) this.#wakeAt(key, state, restsUntilMs);
    else if (afterMs !== undefined) this.#after(state, afterMs, () => this.add(key, 0));
    else if (restMs > 0) this.#after(state, restMs, () => this.#states.delete(key));
    else this.#states.delete(key);
  }

  /**
   * The pass failed or was refused: the key is taken again after its back-off, a short one when it
   * was only decided on what had changed meanwhile.
   */
  failed(key: Key, cause: Revision, conflict = false): number {
    const state = this.#stateOf(key);
    state.taken = false;
    state.cause = Math.max(state.cause, cause);
    state.wanted = true;
    state.failures++;
    const options = conflict ? BACKOFF_AFTER_CONFLICT : BACKOFF;
    const wait = backoffMs(state.failures, options, this.#random);
    this.#wakeAt(key, state, this.#runtime.clock.monotonic() + wait);
    return state.failures;
  }

  /** Gives the key back untouched; it is ready again at once. */
  putBack({ key, cause }: QueueItem): void {
    const state = this.#stateOf(key);
    state.taken = false;
    state.cause = Math.max(state.cause, cause);
    state.wanted = true;
    this.#makeReady(key, state);
  }

  /** Ends the use of the queue: forgets every key and timer, and takes no more. */
  close(): void {
    this.#closed = true;
    for (const state of this.#states.values()) state.cancelTimer?.();
    this.#states.clear();
    this.#ready = [];
    this.#head = 0;
  }

  #stateOf(key: Key): KeyState {
    let state = this.#states.get(key);
    if (state === undefined) {
      state = {
        cause: 0,
        wanted: false,
        ready: false,
        taken: false,
        failures: 0,
        notBeforeMs: 0,
        restsUntilMs: 0,
        cancelTimer: undefined,
      };
      this.#states.set(key, state);
    }
    return state;
  }

  #makeReady(key: Key, state: KeyState): void {
    if (this.#closed) return;
    state.cancelTimer?.();
    state.cancelTimer = undefined;
    state.ready = true;
    this.#ready.push(key);
    this.#onReady();
  }

  #wakeAt(key: Key, state: KeyState, timeMs: number): void {
    state.notBeforeMs = timeMs;
    this.#after(state, timeMs - this.#runtime.clock.monotonic(), () => {
      state.cancelTimer = undefined;
      state.notBeforeMs = 0;
      if (!state.ready && !state.taken) this.#makeReady(key, state);
    });
  }

  #after(state: KeyState, ms: number, run: () => void): void {
    state.cancelTimer?.();
    state.cancelTimer = this.#runtime.timers.after(ms, run);
  }
}
