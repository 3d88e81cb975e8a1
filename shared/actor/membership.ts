import { hash32 } from "../runtime/random.ts";
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
  /** The actors that the process runs; none: it leaves. */
  readonly actors: readonly string[];
  readonly life?: Life;
  readonly state?: Readonly<Record<string, number>>;
}

/** One run of a process. While it beats, the earlier ones of that process have ended. */
interface Life {
  readonly process: string;
  /** When it began, Unix milliseconds by the machine's clock. */
  readonly since: number;
}

/** Subject of the beats of an actor, or of a group of actors in one process. A NATS token each. */
export function beatSubject(group: string): string {
  return `actors.${group}.beat`;
}

type Participant = Pick<ActorDependencies, "runtime" | "bus" | "replica" | "process">;
type State = () => Readonly<Record<string, number>>;

/**
 * Joins the replicas of an actor. Keys are spread over them by rendezvous hashing: when a replica
 * goes, only its keys move.
 */
export function joinMembership(participant: Participant, actor: string, state?: State): Membership {
  return joinGroup(participant, actor, state).join(actor);
}

/** Actors that a process runs, with one beat for all of them. */
export interface Group {
  /**
   * Joins the replicas of an actor. One that was left can be joined again.
   * @throws TypeError when this process is among them already.
   */
  join(actor: string): Membership;
}

/** A group without actors yet. Other processes of the group may run others of its actors. */
export function joinGroup(
  participant: Participant,
  group: string,
  state: State = () => ({}),
): Group {
  return new BeatGroup(participant, beatSubject(group), state);
}

/** What another replica runs, and when it was last heard, on the monotonic clock. */
interface Other {
  heardAt: number;
  readonly actors: readonly string[];
  readonly life: Life | undefined;
}

/** The beats of this process and of the others of its group, and what follows from them. */
class BeatGroup implements Group {
  readonly #runtime: ActorDependencies["runtime"];
  readonly #bus: ActorDependencies["bus"];
  readonly #self: string;
  readonly #subject: string;
  readonly #state: State;
  readonly #memberships = new Map<string, GroupMembership>();
  #stopListening: (() => void) | undefined;
  #announced = false;
  readonly #others = new Map<string, Other>();
  readonly #life: Life | undefined;
  #lastTick = 0;

  constructor({ runtime, bus, replica, process }: Participant, subject: string, state: State) {
    this.#runtime = runtime;
    this.#bus = bus;
    this.#self = replica;
    this.#subject = subject;
    this.#state = state;
    if (process !== undefined) this.#life = { process, since: runtime.clock.now() };
  }

  join(actor: string): Membership {
    if (this.#memberships.has(actor)) throw new TypeError(`${actor} has joined already`);
    const membership = new GroupMembership(this.#self, () => this.#left(actor));
    this.#memberships.set(actor, membership);
    this.#listen();
    this.#announce();
    this.#runtime.timers.after(GREETING_MS, () => membership.join(this.#runningToo(actor)));
    return membership;
  }

  #listen(): void {
    if (this.#stopListening !== undefined) return;
    const { clock, timers } = this.#runtime;
    this.#lastTick = clock.monotonic();
    const subscription = this.#bus.subscribe(this.#subject, (message) => this.#hear(message));
    const cancel = timers.every(BEAT_MS, () => this.#tick());
    this.#stopListening = () => {
      subscription.stop();
      cancel();
    };
  }

  #left(actor: string): void {
    this.#memberships.delete(actor);
    if (this.#bus.connected) this.#beat();
    if (this.#memberships.size > 0) return;
    this.#stopListening?.();
    this.#stopListening = undefined;
    this.#others.clear();
  }

  /** One beat for all that join in this turn of the event loop. */
  #announce(): void {
    if (this.#announced) return;
    this.#announced = true;
    queueMicrotask(() => {
      this.#announced = false;
      if (this.#memberships.size > 0) this.#beat();
    });
  }

  #beat(): void {
    const beat: Beat = {
      replica: this.#self,
      actors: [...this.#memberships.keys()],
      ...(this.#life && { life: this.#life }),
      state: this.#state(),
    };
    this.#bus.publish(this.#subject, Buffer.from(JSON.stringify(beat)));
  }

  #runningToo(actor: string): string[] {
    return [...this.#others]
      .filter(([, { actors }]) => actors.includes(actor))
      .map(([name]) => name);
  }

  #hear(message: BusMessage): void {
    const beat = parseBeat(message.data);
    if (beat === undefined || beat.replica === this.#self || !this.#succeeds(beat)) return;
    const known = this.#others.get(beat.replica);
    const { actors, life } = beat;
    const heardAt = this.#runtime.clock.monotonic();
    if (actors.length === 0) this.#others.delete(beat.replica);
    else this.#others.set(beat.replica, { heardAt, actors, life });
    if (known?.actors.join() === actors.join()) return;
    // A newcomer is greeted, so that it knows of everybody at once.
    if (known === undefined && actors.length > 0) this.#beat();
    this.#update();
  }

  /** Forgets earlier lives of the process that beats; false when this one is over itself. */
  #succeeds({ replica, life }: Beat): boolean {
    if (life === undefined) return true;
    for (const [name, other] of this.#others) {
      if (name === replica || other.life?.process !== life.process) continue;
      if (other.life.since > life.since) return false;
      this.#others.delete(name);
    }
    return true;
  }

  #tick(): void {
    const now = this.#runtime.clock.monotonic();
    // After a stall of this process (or of its connection) the others' beats still wait to be read:
    // their silence is ours, so they get that much longer.
    const stalled = Math.max(0, now - this.#lastTick - BEAT_MS);
    this.#lastTick = now;
    const patient = stalled > BEAT_MS || !this.#bus.connected;
    let gone = false;
    for (const [replica, other] of this.#others) {
      if (patient) other.heardAt = now;
      else if (now - other.heardAt > SILENCE_MS_MAX) gone = this.#others.delete(replica) || gone;
    }
    if (gone) this.#update();
    if (this.#bus.connected) this.#beat();
  }

  #update(): void {
    for (const [actor, membership] of this.#memberships) membership.update(this.#runningToo(actor));
  }
}

/** The replicas of one actor. */
class GroupMembership implements Membership {
  readonly #self: string;
  readonly #onLeave: () => void;
  readonly #listeners = new Set<(owned: (key: Key) => boolean) => void>();
  #ring: Ring = EMPTY_RING;
  #joined = false;
  left = false;

  constructor(self: string, onLeave: () => void) {
    this.#self = self;
    this.#onLeave = onLeave;
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
    if (this.left) return;
    this.left = true;
    this.#joined = false;
    this.#listeners.clear();
    this.#onLeave();
  }

  /** From now on this replica owns its share. */
  join(others: readonly string[]): void {
    if (this.left) return;
    this.#joined = true;
    this.#ring = EMPTY_RING;
    this.update(others);
  }

  update(others: readonly string[]): void {
    if (!this.#joined) return;
    const before = this.#ring;
    const next = ringOf([this.#self, ...others]);
    if (next.names.join() === before.names.join()) return;
    this.#ring = next;
    const owned = (key: Key): boolean => ownerOf(before, key) === this.#self;
    for (const listener of [...this.#listeners]) listener(owned);
  }
}

/** undefined when it is none. */
export function parseBeat(data: Uint8Array): Beat | undefined {
  try {
    const beat = JSON.parse(Buffer.from(data).toString()) as Partial<Beat> | null;
    const valid = typeof beat?.replica === "string" && Array.isArray(beat.actors);
    return valid ? (beat as Beat) : undefined;
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

/** Whose a key is among these replicas, when all of them know of one another. */
export function ownerAmong(replicas: readonly string[], key: Key): string | undefined {
  return ownerOf(ringOf(replicas), key);
}

/** Owns everything: for an actor that needs no replicas to share with, and for tests. */
export const soleMember: Membership = {
  owns: () => true,
  members: () => ["self"],
  onChange: () => ({ stop: () => undefined }),
  leave: () => undefined,
};
