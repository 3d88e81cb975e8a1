import type { Runtime } from "../../shared/runtime/runtime.ts";
import type { ClusterApi } from "./api.ts";
import { insist } from "./insist.ts";

const PAUSE_MS = 20;
/** So many objects for each writer, written again and again: checking must not fill the log. */
const OBJECTS = 50;

/** What a writer knows of one of its objects. */
interface Written {
  /** Of the last write that was acknowledged; -1: none was. */
  acknowledged: number;
  /** What was there must not be older. */
  lost: boolean;
}

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
  /** By name. */
  readonly #written = new Map<string, Written>();
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

  /** Objects that were once, or are now, older than what was acknowledged. */
  async lost(): Promise<string[]> {
    const body = await insist(this.#runtime, this.#api, "GET", this.#path);
    const { items } = JSON.parse(body) as { items: ConfigMap[] };
    const present = new Map(items.map((item) => [item.metadata.name, item]));
    const lost = [...this.#written].filter(
      ([name, written]) => written.lost || countOf(present.get(name)) < written.acknowledged,
    );
    return lost.map(([name]) => name);
  }

  async #write(writer: number): Promise<void> {
    const { clock, timers } = this.#runtime;
    for (let count = 0; !this.#stopped; count++) {
      const name = `written-${writer}-${count % OBJECTS}`;
      const asked = clock.monotonic();
      try {
        const code = await this.#put(name, count);
        if (code < 300) this.#took(writer, name, count, asked);
        else this.failed++;
      } catch {
        // Not acknowledged: it may be there or not.
        this.failed++;
      }
      await timers.sleep(PAUSE_MS);
    }
  }

  /**
   * Writes behind what is there, which must be what was acknowledged last, or younger. The version
   * that it replaces keeps an earlier attempt, that was given up, from coming true afterwards.
   */
  async #put(name: string, count: number): Promise<number> {
    const path = `${this.#path}/${name}`;
    const written = this.#of(name);
    const { code, body } = await this.#api.ask("GET", path);
    if (code !== 200 && code !== 404) return code;
    const present = code === 200 ? (JSON.parse(body) as ConfigMap) : undefined;
    if (countOf(present) < written.acknowledged) written.lost = true;
    const resourceVersion = present?.metadata.resourceVersion;
    const metadata = { name, ...(resourceVersion && { resourceVersion }) };
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata, data: { count: `${count}` } };
    const answer = present
      ? await this.#api.ask("PUT", path, object)
      : await this.#api.ask("POST", this.#path, object);
    return answer.code;
  }

  #of(name: string): Written {
    const written = this.#written.get(name) ?? { acknowledged: -1, lost: false };
    this.#written.set(name, written);
    return written;
  }

  #took(writer: number, name: string, count: number, asked: number): void {
    const now = this.#runtime.clock.monotonic();
    this.acknowledged++;
    this.#of(name).acknowledged = count;
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

interface ConfigMap {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
  readonly data: { readonly count: string };
}

/** -1: it is not there. */
function countOf(object: ConfigMap | undefined): number {
  return object === undefined ? -1 : Number(object.data.count);
}
