import type { EventsRequest } from "./api.ts";
import type { ApiClient } from "./client.ts";
import type { ActorDependencies } from "./dependencies.ts";
import type { EventRecord } from "./plan.ts";

/** Events wait this long for company: they are sent many at a time. */
const FLUSH_MS = 100;
const EVENTS_PER_REQUEST_MAX = 100;
/** More than this wait for an apiserver: the oldest are dropped. */
const PENDING_MAX = 5_000;

/**
 * Sends the Kubernetes Events of committed plans to the apiserver, which counts repetitions. A
 * courtesy to people: events are lost rather than ever holding up or failing an actor.
 */
export class EventPublisher {
  readonly #dependencies: ActorDependencies;
  readonly #client: ApiClient;
  readonly #actor: string;
  #pending: EventRecord[] = [];
  #flushing = false;

  constructor(dependencies: ActorDependencies, client: ApiClient, actor: string) {
    this.#dependencies = dependencies;
    this.#client = client;
    this.#actor = actor;
  }

  publish(records: readonly EventRecord[]): void {
    this.#pending.push(...records);
    if (this.#pending.length > PENDING_MAX) this.#pending = this.#pending.slice(-PENDING_MAX);
    if (this.#pending.length === 0 || this.#flushing) return;
    this.#flushing = true;
    this.#dependencies.runtime.timers.after(FLUSH_MS, () => void this.#flush());
  }

  async #flush(): Promise<void> {
    const { logger, replica } = this.#dependencies;
    while (this.#pending.length > 0) {
      const events = this.#pending.slice(0, EVENTS_PER_REQUEST_MAX);
      this.#pending = this.#pending.slice(EVENTS_PER_REQUEST_MAX);
      const request: EventsRequest = { actor: this.#actor, replica, events };
      try {
        await this.#client.request("event", request);
      } catch (error) {
        logger.debug({ err: error, events: events.length }, "events not published");
      }
    }
    this.#flushing = false;
  }
}
