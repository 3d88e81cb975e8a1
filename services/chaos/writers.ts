import type { Runtime } from "../../shared/runtime/runtime.ts";
import type { ClusterApi } from "./api.ts";
import { insist } from "./insist.ts";

const PAUSE_MS = 20;
/** A writer looks for its older objects and deletes them: checking must not fill the cluster. */
const KEPT = 100;

interface Waiting {
  readonly since: number;
  /** Those that have had none. */
  readonly writers: Set<number>;
  readonly done: (ms: number) => void;
}

/** Writers that never give up, and the record of what was acknowledged to them. */
export class Writers {
  acknowledged = 0;
  failed = 0;
  longestGapMs = 0;
  readonly #runtime: Runtime;
  readonly #api: ClusterApi;
  readonly #path: string;
  readonly #waiting = new Set<Waiting>();
  /** Names that were acknowledged and not yet looked for, oldest first; by writer. */
  readonly #kept = new Map<number, string[]>();
  readonly #lost: string[] = [];
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
    const kept = [...this.#kept.values()].flat();
    return [...this.#lost, ...kept.filter((name) => !present.has(name))];
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
      await this.#retire(writer);
      await timers.sleep(PAUSE_MS);
    }
  }

  /** The oldest object must be there, and is deleted then. */
  async #retire(writer: number): Promise<void> {
    const kept = this.#kept.get(writer) ?? [];
    const [oldest] = kept;
    if (oldest === undefined || kept.length <= KEPT) return;
    try {
      const { code } = await this.#api.ask("GET", `${this.#path}/${oldest}`);
      if (code !== 200 && code !== 404) return;
      if (code === 404) this.#lost.push(oldest);
      kept.shift();
      if (code === 200) await this.#api.ask("DELETE", `${this.#path}/${oldest}`);
    } catch {
      // It is looked for again the next time; one that stays does no harm.
    }
  }

  #took(writer: number, name: string, asked: number): void {
    const now = this.#runtime.clock.monotonic();
    this.acknowledged++;
    const kept = this.#kept.get(writer);
    if (kept === undefined) this.#kept.set(writer, [name]);
    else kept.push(name);
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
