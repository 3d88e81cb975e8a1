import { backoffMs } from "../../shared/actor/backoff.ts";
import type { Pod } from "../../shared/api/generated/types.ts";
import type { Cancel, Runtime } from "../../shared/runtime/runtime.ts";
import type { Key } from "../../shared/store/store.ts";
import { Heap } from "./heap.ts";

/** As kube-scheduler's podInitialBackoffSeconds and podMaxBackoffSeconds. */
const UNSCHEDULABLE_BACKOFF = { baseMs: 1_000, maxMs: 10_000 };
/** After a refused commit: another scheduler was faster, look again at once. */
const REFUSED_BACKOFF = { baseMs: 5, maxMs: 1_000 };

interface Item {
  readonly key: Key;
  readonly priority: number;
  readonly order: number;
  attempts: number;
  refusals: number;
  state: "active" | "waiting" | "backoff" | "inFlight" | "gone";
  /** When the back-off ends, on the monotonic clock. */
  readyAt: number;
  /** With which others it waits, while it does. */
  group: WaitingGroup | undefined;
}

/** What the queue must know of pods that wait for the same. */
export interface WaitingGroup {
  readonly id: string;
}

/** Pods without a node: those to be decided now, and those that wait for something to change. */
export class SchedulingQueue<Group extends WaitingGroup> {
  readonly #items = new Map<Key, Item>();
  /** Those that are not active any more are left behind, and passed over. */
  readonly #ready = new Heap<Item>((a, b) =>
    a.priority === b.priority ? a.order < b.order : a.priority > b.priority,
  );
  /** As `#ready`. One timer for all: thousands may be backing off. */
  readonly #later = new Heap<Item>((a, b) => a.readyAt < b.readyAt);
  readonly #waiting = new Map<string, { group: Group; items: Set<Item> }>();
  readonly #runtime: Runtime;
  readonly #onActive: () => void;
  #active = 0;
  #order = 0;
  #timer: { readonly at: number; readonly cancel: Cancel } | undefined;

  constructor(runtime: Runtime, onActive: () => void) {
    this.#runtime = runtime;
    this.#onActive = onActive;
  }

  get length(): number {
    return this.#items.size;
  }

  /** How many are to be decided now. */
  get active(): number {
    return this.#active;
  }

  /** A pod that wants a node is there. A pod that waits is asked again only if `changed`. */
  add(key: Key, pod: Pod, changed = false): void {
    const known = this.#items.get(key);
    if (known === undefined) {
      const priority = pod.spec?.priority ?? 0;
      const order = this.#order++;
      const fresh = { state: "gone", attempts: 0, refusals: 0, readyAt: 0 } as const;
      const item: Item = { key, priority, order, group: undefined, ...fresh };
      this.#items.set(key, item);
      this.#enter(item, "active");
      this.#onActive();
    } else if (changed && known.state === "waiting") this.#backOff(known);
  }

  /** The pod is bound or gone. */
  remove(key: Key): void {
    const item = this.#items.get(key);
    if (item === undefined) return;
    this.#enter(item, "gone");
    this.#items.delete(key);
  }

  /** Up to `count` pods to decide now, higher priority and older first. They are in flight then. */
  take(count: number): Key[] {
    const keys: Key[] = [];
    while (keys.length < count) {
      const item = this.#ready.pop();
      if (item === undefined) break;
      if (item.state !== "active") continue;
      this.#enter(item, "inFlight");
      keys.push(item.key);
    }
    return keys;
  }

  /**
   * No node takes the pod: it waits until something changes that may help pods of its group, and
   * then a growing time.
   */
  unschedulable(key: Key, group: Group): void {
    const item = this.#items.get(key);
    if (item === undefined) return;
    item.attempts++;
    this.#enter(item, "waiting");
    item.group = group;
    const known = this.#waiting.get(group.id);
    if (known === undefined) this.#waiting.set(group.id, { group, items: new Set([item]) });
    else known.items.add(item);
  }

  /** What was decided was refused: again soon, on a newer snapshot. */
  refused(key: Key): void {
    const item = this.#items.get(key);
    if (item === undefined) return;
    item.refusals++;
    this.#delay(item, backoffMs(item.refusals, REFUSED_BACKOFF, this.#random()));
  }

  /** Whether what was decided last about the pod was refused. */
  wasRefused(key: Key): boolean {
    return (this.#items.get(key)?.refusals ?? 0) > 0;
  }

  /** Something has changed: pods of the groups that it may help are tried after their back-off. */
  relieve(helps: (group: Group) => boolean): void {
    for (const { group, items } of this.#waiting.values()) {
      if (helps(group)) for (const item of items) this.#backOff(item);
    }
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#items.clear();
    this.#waiting.clear();
    this.#ready.clear();
    this.#later.clear();
    this.#active = 0;
  }

  #enter(item: Item, state: Item["state"]): void {
    if (item.state === "active") this.#active--;
    if (item.group !== undefined) this.#leaveGroup(item, item.group.id);
    item.state = state;
    if (state !== "active") return;
    this.#active++;
    this.#ready.push(item);
  }

  #leaveGroup(item: Item, id: string): void {
    item.group = undefined;
    const known = this.#waiting.get(id);
    known?.items.delete(item);
    if (known?.items.size === 0) this.#waiting.delete(id);
  }

  #backOff(item: Item): void {
    this.#delay(item, backoffMs(item.attempts, UNSCHEDULABLE_BACKOFF, this.#random()));
  }

  #delay(item: Item, ms: number): void {
    this.#enter(item, "backoff");
    item.readyAt = this.#runtime.clock.monotonic() + ms;
    this.#later.push(item);
    this.#arm();
  }

  #arm(): void {
    const next = this.#later.first?.readyAt;
    if (next === undefined || (this.#timer !== undefined && this.#timer.at <= next)) return;
    this.#timer?.cancel();
    const { clock, timers } = this.#runtime;
    const wait = Math.max(0, next - clock.monotonic());
    this.#timer = { at: next, cancel: timers.after(wait, () => this.#wake()) };
  }

  #wake(): void {
    this.#timer = undefined;
    const now = this.#runtime.clock.monotonic();
    for (let item = this.#later.first; item !== undefined; item = this.#later.first) {
      const done = item.state !== "backoff";
      if (!done && item.readyAt > now) break;
      this.#later.pop();
      if (!done) this.#enter(item, "active");
    }
    this.#arm();
    if (this.#active > 0) this.#onActive();
  }

  #random() {
    return this.#runtime.random.stream("scheduler/backoff");
  }
}
