/**
 * The run: in each round, for each number of nodes, clusters of all contenders, and each workload
 * on one after the other; every second round in turned order.
 */
import { Client } from "./client.ts";
import type { Contender } from "./contenders.ts";
import { CONNECTIONS } from "./lanes.ts";
import { Pausing } from "./pausing.ts";
import { cpuBetween, forgetPeaks, type Usage, usageOf } from "./processes.ts";
import type { Report } from "./report.ts";
import type { Limits, Side, Workload } from "./side.ts";
import { untilUsable } from "./usable.ts";

export interface Plan {
  readonly contenders: readonly Contender[];
  readonly workloads: readonly Workload[];
  readonly rounds: number;
  readonly limits: Limits;
  /** The others are stopped while one is measured, where their pids are known. */
  readonly pause: boolean;
}

export class Rounds {
  readonly #plan: Plan;
  readonly #report: Report;
  readonly #pausing = new Pausing();
  #sides: Side[] = [];
  /** Of the clusters, by contender. */
  readonly descriptions = new Map<string, string>();
  /** What could not be measured, and why. */
  readonly failures: string[] = [];

  constructor(plan: Plan, report: Report) {
    this.#plan = plan;
    this.#report = report;
  }

  async run(): Promise<void> {
    const { contenders, workloads, rounds } = this.#plan;
    const sizes = [...new Set(workloads.map(({ nodes }) => nodes))].sort((a, b) => a - b);
    try {
      for (let round = 0; round < rounds; round++) {
        const order = round % 2 === 0 ? contenders : contenders.toReversed();
        for (const nodes of sizes) {
          console.info(`\nround ${round + 1} of ${rounds}, ${nodes} nodes`);
          const fitting = workloads.filter((each) => each.nodes === nodes);
          await this.#measure(order, nodes, fitting);
        }
      }
    } finally {
      await this.end();
      this.#pausing.end();
    }
  }

  /** Lets all go on and removes what was started. Idempotent. */
  async end(): Promise<void> {
    this.#pausing.resumeAll();
    const sides = this.#sides;
    this.#sides = [];
    for (const { client, cluster, namespaces } of sides) {
      // Our own go with everything in them.
      for (const name of cluster.own ? [] : namespaces) {
        await client.send("DELETE", `/api/v1/namespaces/${name}`).catch(() => {});
      }
      client.close();
      await cluster.stop();
    }
  }

  async #measure(order: readonly Contender[], nodes: number, workloads: readonly Workload[]) {
    for (const contender of order) await this.#open(contender, nodes);
    for (const workload of workloads) {
      for (const side of this.#sides) {
        if (workload.ownOnly === true && !side.cluster.own) continue;
        await this.#focus(side);
        await this.#runOn(side, workload);
      }
    }
    await this.end();
  }

  /** Alone: the others are not to disturb its start. */
  async #open(contender: Contender, nodes: number): Promise<void> {
    const { name } = contender;
    for (const side of this.#sides) await this.#rest(side);
    const cluster = await contender.open(nodes);
    const client = new Client(cluster.target, CONNECTIONS);
    const add = (figure: Parameters<Side["add"]>[0]) => this.#report.add(name, figure);
    const { limits } = this.#plan;
    this.#sides.push({ name, cluster, client, nodes, limits, add, namespaces: [] });
    await untilUsable(client, nodes);
    const { gitVersion } = await client.json<{ gitVersion: string }>("/version");
    const description = `${gitVersion}, ${cluster.description}`;
    this.descriptions.set(name, description);
    console.info(`${name}: ${description}`);
  }

  async #rest({ cluster }: Side): Promise<void> {
    const pids = cluster.processes.map(({ pid }) => pid);
    if (this.#plan.pause) await this.#pausing.pause(cluster, pids);
  }

  async #focus(side: Side): Promise<void> {
    for (const other of this.#sides) {
      if (other !== side) await this.#rest(other);
    }
    if (await this.#pausing.resume(side.cluster)) await untilUsable(side.client, side.nodes);
  }

  /** What one of them fails at is said, and no reason to end the others. */
  async #runOn(side: Side, workload: Workload): Promise<void> {
    const title = `${workload.group}/${workload.name}`;
    console.info(` ${side.name}, ${title}`);
    try {
      await workload.prepare?.(side);
      await this.#counted(side, title, () => workload.run(side));
    } catch (error) {
      const failure = `${side.name}, ${title}: ${(error as Error).message}`;
      this.failures.push(failure);
      console.info(`  FAILED: ${failure}`);
      await untilUsable(side.client, side.nodes);
    }
  }

  async #counted(side: Side, title: string, run: () => Promise<void>): Promise<void> {
    const { processes } = side.cluster;
    forgetPeaks(processes);
    const [before, generator] = [usageOf(processes), process.cpuUsage()];
    await run();
    const { user, system } = process.cpuUsage(generator);
    const after = usageOf(side.cluster.processes);
    const by = (of: (usage: Usage) => number) =>
      new Map(after.map((usage) => [usage.name, of(usage)] as const));
    this.#report.addCost(side.name, title, {
      cpu: cpuBetween(before, after),
      pss: by(({ pss }) => pss),
      peakRss: by(({ peakRss }) => peakRss),
      generator: (user + system) / 1e6,
    });
  }
}
