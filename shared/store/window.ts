import type { GroupResource } from "../api/key.ts";
import type { Revision } from "./store.ts";
import type { Change } from "./view.ts";

/** How much of the recent past is kept; whichever limit is met first. */
export interface WindowLimits {
  readonly ms: number;
  readonly changes: number;
  /** Bytes of encoded objects that only the window keeps. */
  readonly bytes: number;
}

/** What a change costs beside its encoded objects, bytes: a rough figure. */
const CHANGE_BYTES = 400;

/** The recent changes, in log order, of all resources and of each. */
export class ChangeWindow {
  readonly #limits: WindowLimits;
  readonly #all = new ChangeList();
  readonly #resources = new Map<GroupResource, ChangeList>();
  readonly #times: number[] = [];
  #timesStart = 0;
  #bytes = 0;
  #oldest: Revision = 0;

  constructor(limits: WindowLimits) {
    this.#limits = limits;
  }

  /** The state at this revision, and at every later one, can be reached. */
  get oldest(): Revision {
    return this.#oldest;
  }

  /** Forgets all; what follows starts from the state at this revision. */
  reset(revision: Revision): void {
    this.#all.clear();
    this.#resources.clear();
    this.#times.length = 0;
    this.#timesStart = 0;
    this.#bytes = 0;
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
    this.#all.push(change);
    changes.push(change);
    this.#times.push(now);
    this.#bytes += weight(change);
  }

  /** Drops what the limits no longer hold. */
  trim(now: number): void {
    while (this.#all.length > 0) {
      const expired = now - (this.#times[this.#timesStart] as number) > this.#limits.ms;
      const tooMuch = this.#all.length > this.#limits.changes || this.#bytes > this.#limits.bytes;
      if (!expired && !tooMuch) return;
      const change = this.#all.shift();
      this.#resources.get(change.entry.resource)?.shift();
      this.#bytes -= weight(change);
      this.#oldest = change.revision;
      this.#timesStart += 1;
      if (this.#timesStart >= 1024 && this.#timesStart * 2 > this.#times.length) {
        this.#times.splice(0, this.#timesStart);
        this.#timesStart = 0;
      }
    }
  }

  /** Changes above the revision, ascending; of all resources when none is named. */
  after(revision: Revision, resource?: GroupResource): readonly Change[] {
    const changes = resource === undefined ? this.#all : this.#resources.get(resource);
    return changes?.after(revision) ?? [];
  }
}

/** A queue of changes with ascending revisions. */
class ChangeList {
  #changes: Change[] = [];
  #start = 0;

  get length(): number {
    return this.#changes.length - this.#start;
  }

  clear(): void {
    this.#changes = [];
    this.#start = 0;
  }

  push(change: Change): void {
    this.#changes.push(change);
  }

  shift(): Change {
    const change = this.#changes[this.#start] as Change;
    // Lets the change go at once, before the array is cut.
    (this.#changes as (Change | undefined)[])[this.#start] = undefined;
    this.#start += 1;
    if (this.#start >= 1024 && this.#start * 2 > this.#changes.length) {
      this.#changes = this.#changes.slice(this.#start);
      this.#start = 0;
    }
    return change;
  }

  after(revision: Revision): readonly Change[] {
    let low = this.#start;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#changes[middle] as Change).revision > revision) high = middle;
      else low = middle + 1;
    }
    return this.#changes.slice(low);
  }
}

function weight(change: Change): number {
  const replaced = change.old?.bytes.length ?? 0;
  return CHANGE_BYTES + replaced + (change.type === "DELETED" ? change.entry.bytes.length : 0);
}
