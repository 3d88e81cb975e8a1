/**
 * Requests at a fixed rate, whether or not earlier ones were answered. A latency counts from the
 * moment at which its request was due, so that a server that stalls cannot hide it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { configMap } from "../load/bodies.ts";
import { type Client, MERGE_PATCH } from "../load/client.ts";
import { load } from "../load/lanes.ts";

/** Of a hundred requests. */
export const MIX = { get: 50, label: 5, page: 5, create: 10, patch: 15, update: 5, delete: 10 };
export type Verb = keyof typeof MIX;
export const VERBS = Object.keys(MIX) as Verb[];

const OBJECTS = 2_000;
/** Those next to be deleted are left alone by the others. */
const SPARED = 200;
const GROUPS = 50;
const PREPARE_MS = 60_000;
/** More unanswered requests than this: the rate is beyond the server. */
const UNANSWERED_MOST = 20_000;

export interface Sink {
  answered(verb: Verb, due: number, ms: number): void;
  failed(verb: Verb, reason: string): void;
  /** How much later than due the generator itself sent the request. */
  sent(lateMs: number): void;
}

export class Requests {
  readonly #client: Client;
  readonly #path: string;
  readonly #next = randomNumbers(1);
  #first = 0;
  /** Created and answered up to here, about. */
  #last = 0;
  #made = 0;

  constructor(client: Client, namespace: string) {
    this.#client = client;
    this.#path = `/api/v1/namespaces/${namespace}/configmaps`;
  }

  /** What there is before the first request. */
  async prepare(): Promise<void> {
    await load(OBJECTS, PREPARE_MS, (index) => this.#client.ok("POST", this.#path, body(index)));
    this.#last = OBJECTS;
    this.#made = OBJECTS;
  }

  /** Resolves when the time is over and everything was answered. */
  async run(rate: number, durationMs: number, sink: Sink): Promise<void> {
    let due = performance.now();
    const end = due + durationMs;
    const answers = new Set<Promise<void>>();
    while (due < end) {
      // Looked at once: a generator that falls behind must still give the answers their turn.
      const now = Math.min(performance.now(), end);
      for (; due <= now; due += this.#gap(rate)) {
        sink.sent(performance.now() - due);
        const answer = this.#fire(due, sink).finally(() => answers.delete(answer));
        answers.add(answer);
      }
      if (answers.size > UNANSWERED_MOST) throw new Error(`${rate}/s is more than it can answer`);
      await sleep(1);
    }
    await Promise.all(answers);
  }

  /** Between arrivals that know nothing of each other. */
  #gap(rate: number): number {
    return (-Math.log(1 - this.#next()) * 1_000) / rate;
  }

  async #fire(due: number, sink: Sink): Promise<void> {
    const verb = this.#verb();
    const [method, path, content, type] = this.#request(verb);
    try {
      const { code } = await this.#client.send(method, path, content, type);
      if (code < 300) sink.answered(verb, due, performance.now() - due);
      else sink.failed(verb, String(code));
    } catch (error) {
      sink.failed(verb, (error as Error).message);
    }
  }

  #verb(): Verb {
    let left = this.#next() * 100;
    const verb = VERBS.find((each) => {
      left -= MIX[each];
      return left < 0;
    });
    const few = this.#last - this.#first < OBJECTS / 2;
    return verb === undefined || (verb === "delete" && few) ? "create" : verb;
  }

  #request(verb: Verb): [method: string, path: string, body?: string, type?: string] {
    const index = this.#some();
    const one = `${this.#path}/c-${index}`;
    switch (verb) {
      case "get":
        return ["GET", one];
      case "label":
        return ["GET", `${this.#path}?labelSelector=group%3Dg-${index % GROUPS}`];
      case "page":
        return ["GET", `${this.#path}?limit=100`];
      case "create":
        // One that is not answered yet is too new to be asked for.
        this.#last = Math.max(this.#last, this.#made - SPARED);
        return ["POST", this.#path, JSON.stringify(body(this.#made++))];
      case "patch":
        return ["PATCH", one, `{"metadata":{"annotations":{"turn":"${index}"}}}`, MERGE_PATCH];
      case "update":
        return ["PUT", one, JSON.stringify(body(index))];
      case "delete":
        return ["DELETE", `${this.#path}/c-${this.#first++}`];
    }
  }

  #some(): number {
    const from = this.#first + SPARED;
    return from + Math.floor(this.#next() * Math.max(1, this.#last - from));
  }
}

function body(index: number): object {
  return configMap(`c-${index}`, { group: `g-${index % GROUPS}` });
}

/** In [0, 1), the same ones for the same seed: every run asks for the same things. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
