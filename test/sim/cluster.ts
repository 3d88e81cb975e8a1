import {
  type ActorDependencies,
  type Logger,
  silentLogger,
} from "../../shared/actor/dependencies.ts";
import type { SeededRuntime, SimulatedProcess } from "../../shared/runtime/seeded.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import { SimulatedLog } from "./log.ts";
import type { SimulatedNetwork } from "./network.ts";

/** The logs of the cluster, as the whole simulation shares them. */
export type Logs = Readonly<Record<"cluster" | "events" | "leases", SimulatedLog>>;

/** One process of the cluster, and how it starts: again after each crash. */
export interface Member {
  readonly name: string;
  readonly start: (dependencies: ActorDependencies, process: SimulatedProcess) => Promise<void>;
}

/** How long a process that could not start, or that an error ended, stays away. */
const RESTART_MS = 200;

/** The processes of a simulated cluster: which live, and bringing back those that do not. */
export class SimulatedCluster {
  readonly logs: Logs;
  readonly #simulator: SeededRuntime;
  readonly #network: SimulatedNetwork;
  readonly #members: ReadonlyMap<string, Member>;
  readonly #processes = new Map<string, SimulatedProcess>();
  /** Errors that ended a process: never expected. */
  readonly errors: string[] = [];
  /** The wall clock of a process that starts is this far off. */
  skewOf: (name: string) => number = () => 0;

  constructor(network: SimulatedNetwork, logs: Logs, members: readonly Member[]) {
    this.#simulator = network.simulator;
    this.#network = network;
    this.#members = new Map(members.map((member) => [member.name, member]));
    this.logs = logs;
    this.#simulator.uncaught = (process, error) => {
      this.errors.push(`${process.name} ended by ${describe(error)}`);
      process.crash();
      this.restart(process.name, RESTART_MS);
    };
  }

  alive(): SimulatedProcess[] {
    return [...this.#processes.values()].filter((process) => process.alive);
  }

  owns(process: SimulatedProcess): boolean {
    return this.#members.has(process.name);
  }

  startAll(): void {
    for (const name of this.#members.keys()) this.#start(name);
  }

  restart(name: string, afterMs: number): void {
    this.#simulator.timers.after(afterMs, () => this.#start(name));
  }

  /** Brings back at once everything that does not run. */
  reviveAll(): void {
    for (const name of this.#members.keys()) this.#start(name);
  }

  #start(name: string): void {
    const member = this.#members.get(name);
    if (member === undefined || this.#processes.get(name)?.alive) return;
    const process = this.#simulator.process(name, { skewMs: this.skewOf(name) });
    this.#processes.set(name, process);
    this.#simulator.trace(`start ${name}/${process.incarnation}`);
    const dependencies: ActorDependencies = {
      runtime: process,
      bus: this.#network.connect(process),
      logger: this.#loggerOf(name),
      replica: `${name}-${process.incarnation}`,
      process: name,
    };
    member.start(dependencies, process).catch((error: unknown) => {
      this.#simulator.trace(`could not start ${name}: ${describe(error)}`);
      process.crash();
      this.restart(name, RESTART_MS);
    });
  }

  /** Warnings and errors become part of what happened. */
  #loggerOf(name: string): Logger {
    const log = (fields: object, message: string): void => {
      const { err, error, ...rest } = fields as Record<string, unknown>;
      const cause = err ?? error;
      const reason = cause === undefined ? "" : `: ${messageOf(cause)}`;
      this.#simulator.trace(`${name}: ${message}${reason} ${JSON.stringify(rest)}`);
    };
    return { ...silentLogger, warn: log, error: log };
  }
}

/** Fresh logs on the simulator's own clock. */
export function createLogs(network: SimulatedNetwork): Logs {
  const log = (name: string): SimulatedLog =>
    new SimulatedLog(name, new MemoryStore(network.simulator), network);
  return { cluster: log("cluster"), events: log("events"), leases: log("leases") };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
