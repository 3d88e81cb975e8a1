/** A queue ordered by time, and by order of arrival within the same time (a binary heap). */
export class EventQueue<T> {
  readonly #heap: Item<T>[] = [];
  #arrivals = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** Time of the earliest item; undefined when empty. */
  get nextTime(): number | undefined {
    return this.#heap[0]?.time;
  }

  push(time: number, value: T): void {
    const heap = this.#heap;
    const item = { time, order: this.#arrivals++, value };
    let index = heap.length;
    heap.push(item);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(item, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = item;
  }

  /** Takes the earliest item. The queue must not be empty. */
  pop(): T {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) throw new RangeError("the queue is empty");
    if (heap.length > 0) this.#sink(last);
    return first.value;
  }

  #sink(item: Item<T>): void {
    const heap = this.#heap;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, item)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = item;
  }
}

interface Item<T> {
  readonly time: number;
  readonly order: number;
  readonly value: T;
}

function isBefore<T>(a: Item<T>, b: Item<T>): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order);
}
