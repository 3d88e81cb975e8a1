import { drawIn } from "../../shared/faults/timetable.ts";
import type { RandomStream, Runtime } from "../../shared/runtime/runtime.ts";
import type { ClusterApi } from "./api.ts";
import { insist } from "./insist.ts";
import { namespaceOf, type Workload } from "./workload.ts";

const PATH = "/api/v1/namespaces";

/** Namespaces that come, each with something in it, and go when the next one comes. */
export class Namespaces {
  readonly #workload: Workload;
  readonly #runtime: Runtime;
  readonly #random: RandomStream;
  readonly #api: ClusterApi;
  readonly #say: (line: string) => void;
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(workload: Workload, runtime: Runtime, api: ClusterApi, say: (line: string) => void) {
    this.#workload = workload;
    this.#runtime = runtime;
    this.#random = runtime.random.stream("chaos/namespaces");
    this.#api = api;
    this.#say = say;
  }

  start(): void {
    const { namespaces } = this.#workload;
    if (namespaces === undefined) return;
    this.#running = this.#turnOver(namespaces.every).catch((error: Error) =>
      this.#say(error.message),
    );
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #turnOver(every: readonly [number, number]): Promise<void> {
    const { namespace } = this.#workload;
    let former: string | undefined;
    for (let serial = 1; !this.#stopped; serial++) {
      const name = `${namespace}-${serial}`;
      await insist(this.#runtime, this.#api, "POST", PATH, namespaceOf(name));
      await this.#fill(name);
      if (former !== undefined) await this.#remove(former);
      former = name;
      await this.#runtime.timers.sleep(drawIn(this.#random, every));
    }
    if (former !== undefined) await this.#remove(former);
  }

  async #fill(name: string): Promise<void> {
    const metadata = { name: "settings" };
    const settings = { apiVersion: "v1", kind: "ConfigMap", metadata, data: { in: name } };
    await insist(this.#runtime, this.#api, "POST", `${PATH}/${name}/configmaps`, settings);
  }

  async #remove(name: string): Promise<void> {
    await insist(this.#runtime, this.#api, "DELETE", `${PATH}/${name}`);
  }
}
