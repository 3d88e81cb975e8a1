import type { GroupResource } from "../api/key.ts";
import { sizeOf } from "./entry.ts";
import type { Revision } from "./store.ts";
import type { Change, Entry } from "./view.ts";

/** How much of the recent past is kept; whichever limit is met first. */
export interface WindowLimits {
  readonly ms: number;
  readonly changes: number;
  /** Bytes of encoded objects that only the window keeps. */
  readonly bytes: number;
}

/** What a change costs beside its encoded objects, bytes: a rough figure. */
const CHANGE_BYTES = 400;

/** The recent changes, in log order, of each resource. */
export class ChangeWindow {
  readonly #limits: WindowLimits;
  readonly #dropped: (change: Change) => void;
  readonly #resources = new Map<GroupResource, ChangeList>();
  /** Which resource's change came when; the oldest first. */
  readonly #order = new Queue<ChangeList | undefined>(undefined);
  readonly #times = new Queue(0);
  #bytes = 0;
  #oldest: Revision = 0;

  /** `dropped` is called with each change that is not kept any more. */
  constructor(limits: WindowLimits, dropped: (change: Change) => void) {
    this.#limits = limits;
    this.#dropped = dropped;
  }

  /** The state at this revision, and at every later one, can be reached. */
  get oldest(): Revision {
    return this.#oldest;
  }

  /** Forgets all; what follows starts from the state at this revision. */
  reset(revision: Revision): void {
    while (this.#order.length > 0) this.#drop();
    this.#resources.clear();
    this.#oldest = revision;
  }

  /** `now` is monotonic time, milliseconds. */
  push(change: Change, now: number): void {
    const { resource } = change.entry;
    let changes = this.#resources.get(resource);
    if (!changes) {
      changes = new ChangeList();
      this.#resources.set(resource, changes);
    }
    changes.push(change);
    this.#order.push(changes);
    this.#times.push(now);
    this.#bytes += weight(change);
  }

  /** Drops what the limits no longer hold. */
  trim(now: number): void {
    while (this.#order.length > 0) {
      const expired = now - this.#times.at(0) > this.#limits.ms;
      const tooMuch = this.#order.length > this.#limits.changes || this.#bytes > this.#limits.bytes;
      if (!expired && !tooMuch) return;
      this.#drop();
    }
  }

  #drop(): void {
    const change = (this.#order.shift() as ChangeList).shift();
    this.#times.shift();
    this.#bytes -= weight(change);
    this.#oldest = change.revision;
    this.#dropped(change);
  }

  /** Changes of the resource above the revision, ascending. */
  after(revision: Revision, resource: GroupResource): readonly Change[] {
    return this.#resources.get(resource)?.after(revision) ?? [];
  }
}

/**
 * A queue of changes with ascending revisions. The changes themselves are made when somebody asks:
 * a hundred thousand of them would be kept.
 */
class ChangeList {
  readonly #types = new Queue<Change["type"] | "">("");
  readonly #entries = new Queue<Entry | undefined>(undefined);
  readonly #olds = new Queue<Entry | undefined>(undefined);

  push({ type, entry, old }: Change): void {
    this.#types.push(type);
    this.#entries.push(entry);
    this.#olds.push(old);
  }

  shift(): Change {
    const first = this.#at(0);
    for (const queue of [this.#types, this.#entries, this.#olds]) queue.shift();
    return first;
  }

  after(revision: Revision): readonly Change[] {
    const { length } = this.#entries;
    let low = 0;
    let high = length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#at(middle).revision > revision) high = middle;
      else low = middle + 1;
    }
    return Array.from({ length: length - low }, (_, index) => this.#at(low + index));
  }

  #at(index: number): Change {
    const entry = this.#entries.at(index) as Entry;
    const type = this.#types.at(index) as Change["type"];
    return { type, revision: entry.revision, entry, old: this.#olds.at(index) };
  }
}

class Queue<T> {
  readonly #nothing: T;
  #items: T[] = [];
  #start = 0;

  /** `nothing` stands where an item was. */
  constructor(nothing: T) {
    this.#nothing = nothing;
  }

  get length(): number {
    return this.#items.length - this.#start;
  }

  at(index: number): T {
    return this.#items[this.#start + index] as T;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T {
    const first = this.at(0);
    // Lets it go at once, before the array is cut.
    this.#items[this.#start] = this.#nothing;
    this.#start += 1;
    if (this.#start >= 1024 && this.#start * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#start);
      this.#start = 0;
    }
    return first;
  }
}

function weight({ type, entry, old }: Change): number {
  return CHANGE_BYTES + (old ? sizeOf(old) : 0) + (type === "DELETED" ? sizeOf(entry) : 0);
}
