import type { Runtime } from "../../shared/runtime/runtime.ts";
import type { ClusterApi } from "./api.ts";
import { insist } from "./insist.ts";

const PAUSE_MS = 20;

interface Waiting {
  readonly since: number;
  /** Those that have had none. */
  readonly writers: Set<number>;
  readonly done: (ms: number) => void;
}

/** Writers that never give up, and the record of what was acknowledged to them. */
export class Writers {
  readonly acknowledged: string[] = [];
  failed = 0;
  longestGapMs = 0;
  readonly #runtime: Runtime;
  readonly #api: ClusterApi;
  readonly #path: string;
  readonly #waiting = new Set<Waiting>();
  #lastAt: number;
  #stopped = false;
  #running: Promise<void>[] = [];

  constructor(runtime: Runtime, api: ClusterApi, namespace: string) {
    this.#runtime = runtime;
    this.#api = api;
    this.#path = `/api/v1/namespaces/${namespace}/configmaps`;
    this.#lastAt = runtime.clock.monotonic();
  }

  start(count: number): void {
    this.#lastAt = this.#runtime.clock.monotonic();
    this.#running = Array.from({ length: count }, (_, index) => this.#write(index));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  /** How long nothing has been acknowledged. */
  get silentMs(): number {
    return this.#running.length === 0 ? 0 : this.#runtime.clock.monotonic() - this.#lastAt;
  }

  /**
   * Milliseconds from now until every writer has had an acknowledgement of a write that is yet to
   * be asked for.
   */
  next(): Promise<number> {
    const since = this.#runtime.clock.monotonic();
    const writers = new Set(this.#running.keys());
    return new Promise((done) => this.#waiting.add({ since, writers, done }));
  }

  /** Names that were acknowledged and are not there. */
  async lost(): Promise<string[]> {
    const body = await insist(this.#runtime, this.#api, "GET", this.#path);
    const { items } = JSON.parse(body) as { items: { metadata: { name: string } }[] };
    const present = new Set(items.map(({ metadata }) => metadata.name));
    return this.acknowledged.filter((name) => !present.has(name));
  }

  async #write(writer: number): Promise<void> {
    const { clock, timers } = this.#runtime;
    for (let count = 0; !this.#stopped; count++) {
      const name = `written-${writer}-${count}`;
      const asked = clock.monotonic();
      const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { name } };
      try {
        const { code } = await this.#api.ask("POST", this.#path, object);
        if (code === 201) this.#took(writer, name, asked);
        else this.failed++;
      } catch {
        // Not acknowledged: it may be there or not.
        this.failed++;
      }
      await timers.sleep(PAUSE_MS);
    }
  }

  #took(writer: number, name: string, asked: number): void {
    const now = this.#runtime.clock.monotonic();
    this.acknowledged.push(name);
    this.longestGapMs = Math.max(this.longestGapMs, now - this.#lastAt);
    this.#lastAt = now;
    for (const waiter of this.#waiting) {
      if (asked < waiter.since) continue;
      waiter.writers.delete(writer);
      if (waiter.writers.size > 0) continue;
      this.#waiting.delete(waiter);
      waiter.done(now - waiter.since);
    }
  }
}
