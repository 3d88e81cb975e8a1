import { hash32 } from "../runtime/random.ts";
import type { Cancel } from "../runtime/runtime.ts";
import type { Key } from "../store/store.ts";
import type { BusMessage, Subscription } from "./bus.ts";
import type { ActorDependencies } from "./dependencies.ts";

/** A beat goes out this often, milliseconds. */
export const BEAT_MS = 150;
/** A replica not heard for this long has left: three beats missed, and a little for the way. */
export const SILENCE_MS_MAX = 3 * BEAT_MS + 50;
/** Before a newcomer owns anything it listens this long, since the others greet it at once. */
const GREETING_MS = 50;

/** Which keys of an actor are this replica's: a hint, never a lock (DESIGN D11). */
export interface Membership {
  /** True when the key is this replica's among the replicas believed alive. */
  owns(key: Key): boolean;
  /** The replicas believed alive, in order of name. */
  members(): readonly string[];
  /** Calls `listener` after each change; `owned` says what was this replica's before it. */
  onChange(listener: (owned: (key: Key) => boolean) => void): Subscription;
  /** Announces that this replica leaves, so that the others take over at once. */
  leave(): void;
}

/** What a beat says. `state` is for `cox actors`: queue length, revision seen, ... */
export interface Beat {
  readonly replica: string;
  readonly leaving?: boolean;
  readonly state?: Readonly<Record<string, number>>;
}

/** Subject of the actor's beats. Actor names are NATS tokens already. */
export function beatSubject(actor: string): string {
  return `actors.${actor}.beat`;
}

/**
 * Joins the replicas of an actor (or of a process with several: they may share one). Keys are
 * spread over them by rendezvous hashing: when a replica goes, only its keys move.
 */
export function joinMembership(
  { runtime, bus, replica }: Pick<ActorDependencies, "runtime" | "bus" | "replica">,
  actor: string,
  state: () => Readonly<Record<string, number>> = () => ({}),
): Membership {
  return new BusMembership(runtime, bus, replica, beatSubject(actor), state);
}

class BusMembership implements Membership {
  readonly #runtime: ActorDependencies["runtime"];
  readonly #bus: ActorDependencies["bus"];
  readonly #self: string;
  readonly #subject: string;
  readonly #state: () => Readonly<Record<string, number>>;
  readonly #subscription: Subscription;
  readonly #cancels: Cancel[];
  readonly #listeners = new Set<(owned: (key: Key) => boolean) => void>();
  /** When each of the others was last heard, on the monotonic clock. */
  readonly #heard = new Map<string, number>();
  #ring: Ring = EMPTY_RING;
  #lastTick: number;
  #joined = false;

  constructor(
    runtime: ActorDependencies["runtime"],
    bus: ActorDependencies["bus"],
    replica: string,
    subject: string,
    state: () => Readonly<Record<string, number>>,
  ) {
    this.#runtime = runtime;
    this.#bus = bus;
    this.#self = replica;
    this.#subject = subject;
    this.#state = state;
    this.#lastTick = runtime.clock.monotonic();
    this.#subscription = bus.subscribe(subject, (message) => this.#hear(message));
    this.#cancels = [
      runtime.timers.every(BEAT_MS, () => this.#tick()),
      runtime.timers.after(GREETING_MS, () => this.#join()),
    ];
    this.#beat();
  }

  owns(key: Key): boolean {
    return this.#joined && ownerOf(this.#ring, key) === this.#self;
  }

  members(): readonly string[] {
    return this.#ring.names;
  }

  onChange(listener: (owned: (key: Key) => boolean) => void): Subscription {
    this.#listeners.add(listener);
    return { stop: () => void this.#listeners.delete(listener) };
  }

  leave(): void {
    this.#subscription.stop();
    for (const cancel of this.#cancels) cancel();
    if (this.#bus.connected) this.#beat(true);
    this.#joined = false;
    this.#listeners.clear();
  }

  #beat(leaving = false): void {
    const beat: Beat = { replica: this.#self, leaving, state: this.#state() };
    this.#bus.publish(this.#subject, Buffer.from(JSON.stringify(beat)));
  }

  #join(): void {
    this.#joined = true;
    this.#setMembers(EMPTY_RING);
  }

  #hear(message: BusMessage): void {
    const beat = parseBeat(message.data);
    if (beat === undefined || beat.replica === this.#self) return;
    if (beat.leaving) {
      if (this.#heard.delete(beat.replica)) this.#setMembers(this.#ring);
      return;
    }
    const known = this.#heard.has(beat.replica);
    this.#heard.set(beat.replica, this.#runtime.clock.monotonic());
    if (known) return;
    this.#beat();
    this.#setMembers(this.#ring);
  }

  #tick(): void {
    const now = this.#runtime.clock.monotonic();
    // After a stall of this process (or of its connection) the others' beats still wait to be read:
    // their silence is ours, so they get that much longer.
    const stalled = Math.max(0, now - this.#lastTick - BEAT_MS);
    this.#lastTick = now;
    const patient = stalled > BEAT_MS || !this.#bus.connected;
    let gone = false;
    for (const [replica, heardAt] of this.#heard) {
      if (patient) this.#heard.set(replica, now);
      else if (now - heardAt > SILENCE_MS_MAX) gone = this.#heard.delete(replica) || gone;
    }
    if (gone) this.#setMembers(this.#ring);
    if (this.#bus.connected) this.#beat();
  }

  #setMembers(before: Ring): void {
    this.#ring = ringOf([this.#self, ...this.#heard.keys()]);
    if (!this.#joined) return;
    const owned = (key: Key): boolean => ownerOf(before, key) === this.#self;
    for (const listener of [...this.#listeners]) listener(owned);
  }
}

function parseBeat(data: Uint8Array): Beat | undefined {
  try {
    const beat = JSON.parse(Buffer.from(data).toString()) as Partial<Beat> | null;
    return typeof beat?.replica === "string" ? (beat as Beat) : undefined;
  } catch {
    return undefined;
  }
}

interface Ring {
  readonly names: readonly string[];
  readonly hashes: readonly number[];
}

const EMPTY_RING: Ring = { names: [], hashes: [] };

function ringOf(names: readonly string[]): Ring {
  const sorted = names.toSorted();
  return { names: sorted, hashes: sorted.map((name) => hash32(name)) };
}

/** Rendezvous hashing: the member with the highest hash of member and key. */
function ownerOf(ring: Ring, key: Key): string | undefined {
  let best = -1;
  let owner: string | undefined;
  for (let index = 0; index < ring.names.length; index++) {
    const weight = hash32(key, ring.hashes[index]);
    if (weight > best) {
      best = weight;
      owner = ring.names[index];
    }
  }
  return owner;
}

/** Owns everything: for an actor that needs no replicas to share with, and for tests. */
export const soleMember: Membership = {
  owns: () => true,
  members: () => ["self"],
  onChange: () => ({ stop: () => undefined }),
  leave: () => undefined,
};
