import type { KubernetesObject } from "../../shared/api/object.ts";
import { drawIn } from "../../shared/faults/timetable.ts";
import type { RandomStream, Runtime } from "../../shared/runtime/runtime.ts";
import type { Key } from "../../shared/store/store.ts";
import type { ClusterApi } from "./api.ts";
import { insist } from "./insist.ts";
import { isComplete, type LogObserver } from "./observer.ts";
import type { Rollout } from "./record.ts";
import { deploymentOf, namespaceOf, serviceOf, type Workload } from "./workload.ts";

/** Deployments that are rolled again and again. */
export class Rollouts {
  readonly done: Rollout[] = [];
  readonly #workload: Workload;
  readonly #runtime: Runtime;
  readonly #random: RandomStream;
  readonly #api: ClusterApi;
  /** By key: when its rollout began, and the generation that it is to reach. */
  readonly #rolling = new Map<Key, { readonly from: number; generation: number | undefined }>();
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(workload: Workload, runtime: Runtime, api: ClusterApi, observer: LogObserver) {
    this.#workload = workload;
    this.#runtime = runtime;
    this.#random = runtime.random.stream("chaos/rollouts");
    this.#api = api;
    observer.onDeployment = (key, deployment) => this.#see(key, deployment);
  }

  /** The namespace, its Deployments and their Services. */
  async prepare(): Promise<void> {
    const { namespace, services } = this.#workload;
    await this.#insist("POST", "/api/v1/namespaces", namespaceOf(namespace));
    await Promise.all(
      this.#names().map(async (name) => {
        await this.#insist("POST", this.#path(), deploymentOf(this.#workload, name));
        if (!services) return;
        await this.#insist("POST", `/api/v1/namespaces/${namespace}/services`, serviceOf(name));
      }),
    );
  }

  start(): void {
    if (this.#workload.deployments > 0) this.#running = this.#roll();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Those that were begun and are not done. */
  unfinished(): Rollout[] {
    return [...this.#rolling].map(([key, { from }]) => ({ name: nameOf(key), from }));
  }

  async cleanUp(): Promise<void> {
    await this.#insist("DELETE", `/api/v1/namespaces/${this.#workload.namespace}`);
  }

  #names(): string[] {
    return Array.from({ length: this.#workload.deployments }, (_, index) => `web-${index + 1}`);
  }

  #path(): string {
    return `/apis/apps/v1/namespaces/${this.#workload.namespace}/deployments`;
  }

  async #roll(): Promise<void> {
    const { namespace, rollouts } = this.#workload;
    for (let serial = 1; !this.#stopped; serial++) {
      await this.#runtime.timers.sleep(drawIn(this.#random, rollouts.every));
      const idle = this.#names().filter(
        (name) => !this.#rolling.has(`deployments.apps/${namespace}/${name}`),
      );
      const name = idle[this.#random.integer(Math.max(1, idle.length))];
      if (name === undefined || this.#stopped) continue;
      const key = `deployments.apps/${namespace}/${name}`;
      const rolling = { from: this.#runtime.clock.now(), generation: undefined };
      this.#rolling.set(key, rolling);
      await this.#change(key, name, serial);
    }
  }

  async #change(key: Key, name: string, serial: number): Promise<void> {
    const annotations = { "coxswain.dev/rollout": String(serial) };
    const patch = { spec: { template: { metadata: { annotations } } } };
    try {
      const body = await this.#insist("PATCH", `${this.#path()}/${name}`, patch);
      const { metadata } = JSON.parse(body) as KubernetesObject;
      const rolling = this.#rolling.get(key);
      if (rolling) rolling.generation = metadata.generation ?? 0;
    } catch {
      // Whether it began is not known; the next rollout of the Deployment shows.
      this.#rolling.delete(key);
    }
  }

  #see(key: Key, deployment: KubernetesObject | undefined): void {
    const rolling = this.#rolling.get(key);
    if (rolling?.generation === undefined || deployment === undefined) return;
    if ((deployment.metadata.generation ?? 0) < rolling.generation) return;
    if (!isComplete(deployment)) return;
    this.#rolling.delete(key);
    const to = this.#runtime.clock.now();
    this.done.push({ name: nameOf(key), from: rolling.from, to });
  }

  #insist(method: string, path: string, body?: object): Promise<string> {
    return insist(this.#runtime, this.#api, method, path, body);
  }
}

function nameOf(key: Key): string {
  return key.slice(key.indexOf("/") + 1);
}
