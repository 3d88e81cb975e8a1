import type { RunningCluster } from "../kubectl/cluster.ts";
import { type Api, pause } from "./api.ts";

const CONFIG_MAPS = "/api/v1/namespaces/default/configmaps";

interface Written {
  readonly name: string;
  /** When it was asked for, and when it was acknowledged: milliseconds of `performance.now`. */
  readonly asked: number;
  readonly done: number;
}

/** Writers that never give up, and the record of what was acknowledged to them. */
export class Writers {
  readonly acknowledged: Written[] = [];
  readonly #api: Api;
  readonly #running: Promise<void>[];
  #stopped = false;

  constructor(api: Api, count: number) {
    this.#api = api;
    this.#running = Array.from({ length: count }, (_, index) => this.#write(index));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  /** Milliseconds from a moment to the first acknowledgement of a write asked for after it. */
  async resumed(since: number, withinMs: number): Promise<number> {
    while (performance.now() < since + withinMs) {
      const first = this.acknowledged.filter(({ asked }) => asked >= since).map(({ done }) => done);
      if (first.length > 0) return Math.min(...first) - since;
      await pause(5);
    }
    throw new Error(`nothing was written for ${withinMs} ms`);
  }

  /** Names that were acknowledged and are not there. */
  async lost(): Promise<string[]> {
    const text = await this.#api.insist("GET", CONFIG_MAPS);
    const { items } = JSON.parse(text) as { items: { metadata: { name: string } }[] };
    const present = new Set(items.map(({ metadata }) => metadata.name));
    return this.acknowledged.map(({ name }) => name).filter((name) => !present.has(name));
  }

  async #write(writer: number): Promise<void> {
    for (let count = 0; !this.#stopped; count++) {
      const name = `written-${writer}-${count}`;
      const asked = performance.now();
      const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { name } };
      try {
        const { code } = await this.#api.ask("POST", CONFIG_MAPS, object);
        if (code === 201) this.acknowledged.push({ name, asked, done: performance.now() });
      } catch {
        // Not acknowledged: it may be there or not.
      }
      await pause(10);
    }
  }
}

/** A Deployment that is rolled again and again; each rollout must complete. */
export class Rollouts {
  completed = 0;
  readonly #cluster: RunningCluster;
  readonly #running: Promise<void>;
  #stopped = false;

  constructor(cluster: RunningCluster, name: string) {
    this.#cluster = cluster;
    this.#running = this.#roll(name);
    this.#running.catch(() => undefined);
  }

  /** Lets the last rollout complete. @throws Error when one did not. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #roll(name: string): Promise<void> {
    while (!this.#stopped) {
      await this.#insist(`kubectl rollout restart deployment/${name}`);
      await this.#insist(`kubectl rollout status deployment/${name} --timeout 20s`);
      this.completed++;
    }
  }

  /** A kubectl whose server dies fails; its user asks again. */
  async #insist(command: string): Promise<void> {
    const deadline = performance.now() + 60_000;
    for (;;) {
      const { code, stderr, stdout } = await this.#cluster.shell(command);
      if (code === 0) return;
      // The restart of this second had been taken although it was not acknowledged.
      if (stderr.includes("if restart has already been triggered")) return;
      if (performance.now() > deadline) throw new Error(`${command}:\n${stdout}${stderr}`);
      await pause(50);
    }
  }
}
