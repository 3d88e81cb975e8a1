/** A Deployment that is rolled again and again, beside the requests. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, MERGE_PATCH } from "../load/client.ts";
import { container } from "../load/pod-observer.ts";

const REPLICAS = 100;
const EVERY_MS = 30_000;
const POLL_MS = 200;

interface Deployment {
  readonly metadata: { readonly generation: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly readyReplicas?: number;
  };
}

export class Rollouts {
  /** Of each that was completed. */
  readonly seconds: number[] = [];
  readonly #client: Client;
  readonly #path: string;
  #stopped = false;

  constructor(client: Client, namespace: string) {
    this.#client = client;
    this.#path = `/apis/apps/v1/namespaces/${namespace}/deployments`;
  }

  async prepare(): Promise<void> {
    const labels = { app: "rolled" };
    const spec = {
      replicas: REPLICAS,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container("bench:0")] } },
    };
    await this.#client.ok("POST", this.#path, { metadata: { name: "rolled" }, spec });
    await this.#complete();
  }

  /** Until `stop`. */
  async run(): Promise<void> {
    for (let turn = 1; !this.#stopped; turn++) {
      const began = performance.now();
      const template = { spec: { containers: [container(`bench:${turn}`)] } };
      await this.#client.ok("PATCH", `${this.#path}/rolled`, { spec: { template } }, MERGE_PATCH);
      if (await this.#complete()) this.seconds.push((performance.now() - began) / 1_000);
      while (!this.#stopped && performance.now() - began < EVERY_MS) await sleep(POLL_MS);
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  async #complete(): Promise<boolean> {
    while (!this.#stopped) {
      const { metadata, status } = await this.#client.json<Deployment>(`${this.#path}/rolled`);
      const { observedGeneration, replicas, updatedReplicas, readyReplicas } = status ?? {};
      const seen = observedGeneration === metadata.generation;
      const counts = [replicas, updatedReplicas, readyReplicas];
      if (seen && counts.every((count) => count === REPLICAS)) return true;
      await sleep(POLL_MS);
    }
    return false;
  }
}
