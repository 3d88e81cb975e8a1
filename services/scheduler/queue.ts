import { backoffMs } from "../../shared/actor/backoff.ts";
import type { Pod } from "../../shared/api/generated/types.ts";
import type { Cancel, Runtime } from "../../shared/runtime/runtime.ts";
import type { Key } from "../../shared/store/store.ts";

/** As kube-scheduler's podInitialBackoffSeconds and podMaxBackoffSeconds. */
const UNSCHEDULABLE_BACKOFF = { baseMs: 1_000, maxMs: 10_000 };
/** After a refused commit: another scheduler was faster, look again at once. */
const REFUSED_BACKOFF = { baseMs: 5, maxMs: 1_000 };

interface Item {
  readonly priority: number;
  readonly order: number;
  attempts: number;
  refusals: number;
  state: "active" | "waiting" | "backoff" | "inFlight";
  cancel?: Cancel;
}

/** Pods without a node: those to be decided now, and those that wait for something to change. */
export class SchedulingQueue {
  readonly #items = new Map<Key, Item>();
  readonly #runtime: Runtime;
  readonly #onActive: () => void;
  #order = 0;

  constructor(runtime: Runtime, onActive: () => void) {
    this.#runtime = runtime;
    this.#onActive = onActive;
  }

  get length(): number {
    return this.#items.size;
  }

  /** A pod that wants a node is there. A pod that waits is asked again only if `changed`. */
  add(key: Key, pod: Pod, changed = false): void {
    const known = this.#items.get(key);
    if (known === undefined) {
      const priority = pod.spec?.priority ?? 0;
      const order = this.#order++;
      this.#items.set(key, { priority, order, attempts: 0, refusals: 0, state: "active" });
      this.#onActive();
    } else if (changed && known.state === "waiting") this.#activate(known);
  }

  /** The pod is bound or gone. */
  remove(key: Key): void {
    this.#items.get(key)?.cancel?.();
    this.#items.delete(key);
  }

  /** Up to `count` pods to decide now, higher priority and older first. They are in flight then. */
  take(count: number): Key[] {
    const active = [...this.#items].filter(([, item]) => item.state === "active");
    active.sort(([, a], [, b]) => b.priority - a.priority || a.order - b.order);
    return active.slice(0, count).map(([key, item]) => {
      item.state = "inFlight";
      return key;
    });
  }

  /** No node takes the pod: it waits until something changes, and then a growing time. */
  unschedulable(key: Key): void {
    const item = this.#items.get(key);
    if (item === undefined) return;
    item.attempts++;
    item.state = "waiting";
  }

  /** The binding was refused: again soon, on a newer snapshot. True when it has been before. */
  refused(key: Key): void {
    const item = this.#items.get(key);
    if (item === undefined) return;
    item.refusals++;
    this.#later(item, backoffMs(item.refusals, REFUSED_BACKOFF, this.#random()));
  }

  /** Whether the pod's last binding was refused: it is then committed alone. */
  wasRefused(key: Key): boolean {
    return (this.#items.get(key)?.refusals ?? 0) > 0;
  }

  /** Something may have made room: all that wait are tried again after their back-off. */
  relieve(): void {
    for (const item of this.#items.values()) if (item.state === "waiting") this.#activate(item);
  }

  close(): void {
    for (const item of this.#items.values()) item.cancel?.();
    this.#items.clear();
  }

  #activate(item: Item): void {
    this.#later(item, backoffMs(item.attempts, UNSCHEDULABLE_BACKOFF, this.#random()));
  }

  #later(item: Item, ms: number): void {
    item.state = "backoff";
    item.cancel = this.#runtime.timers.after(ms, () => {
      item.state = "active";
      this.#onActive();
    });
  }

  #random() {
    return this.#runtime.random.stream("scheduler/backoff");
  }
}
