import type { Cancel } from "../runtime/runtime.ts";
import type { Bus, Subscription } from "./bus.ts";

/** Said by an apiserver when it begins to serve the bus, and when it is back on it. */
const ARRIVED = "actors.apiserver.arrived";

/**
 * Tells everybody that waits for an apiserver that there is one. Until stopped, also each time the
 * connection to the bus is back.
 */
export function announceArrival(bus: Bus, replica: string): Subscription {
  const announce = () => bus.publish(ARRIVED, Buffer.from(JSON.stringify({ replica })));
  announce();
  return bus.onStatus((connected) => {
    if (connected) announce();
  });
}

/** When an apiserver arrives: whoever waits for an answer had better ask again. */
export class Arrivals {
  readonly #waiting = new Set<() => void>();

  constructor(bus: Bus) {
    bus.subscribe(ARRIVED, () => this.#arrived());
  }

  /** Calls `run` at the next arrival, once, unless cancelled first. */
  once(run: () => void): Cancel {
    const waiting = () => run();
    this.#waiting.add(waiting);
    return () => void this.#waiting.delete(waiting);
  }

  /** Calls `run` at each arrival. */
  each(run: () => void): Cancel {
    let cancel = this.once(again);
    const arrivals = this;
    function again(): void {
      cancel = arrivals.once(again);
      run();
    }
    return () => cancel();
  }

  #arrived(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const run of waiting) run();
  }
}
