import type { Bus } from "../../shared/actor/bus.ts";
import type { ActorDependencies } from "../../shared/actor/dependencies.ts";
import { type ProcessState, sendOrder, sendToEvery } from "../../shared/actor/orders.ts";
import { names } from "../../shared/faults/language.ts";
import type { Struck, SupervisedProcess, SupervisorOrder } from "./orders.ts";
import type { FaultSpec } from "./process/spec.ts";

const ORDER_MS = 2_000;
const STATES_MS = 250;

/** A process as it may be struck. */
export interface Target extends SupervisedProcess {
  /** The actors that it runs, where it says so. */
  readonly actors: readonly string[];
}

/** Breaks and mends the processes of a cluster, by orders over its bus. */
export class Operator {
  readonly #dependencies: Pick<ActorDependencies, "runtime"> & { readonly bus: Bus };

  /** `bus`: as the user who may give orders. */
  constructor(dependencies: Pick<ActorDependencies, "runtime"> & { readonly bus: Bus }) {
    this.#dependencies = dependencies;
  }

  /** The supervised processes, each with the actors that it says it runs. */
  async targets(): Promise<Target[]> {
    const [processes, states] = await Promise.all([
      this.#supervisor({ type: "processes" }) as Promise<SupervisedProcess[]>,
      this.states(),
    ]);
    const actors = new Map(
      states.map(({ process, actors }) => [process, actors.map(({ actor }) => actor)]),
    );
    return processes.map((each) => ({ ...each, actors: actors.get(each.name) ?? [] }));
  }

  async states(): Promise<ProcessState[]> {
    return (await sendToEvery(this.#dependencies, { type: "state" }, STATES_MS)) as ProcessState[];
  }

  kill(process: string, downMs: number): Promise<Struck> {
    return this.#supervisor({ type: "kill", process, downMs }) as Promise<Struck>;
  }

  pause(process: string, forMs: number): Promise<Struck> {
    return this.#supervisor({ type: "pause", process, forMs }) as Promise<Struck>;
  }

  /** Whether it was paused. */
  resume(process: string): Promise<boolean> {
    return this.#supervisor({ type: "resume", process }) as Promise<boolean>;
  }

  /** Puts a fault into a process; it heals by itself after `forMs`, sooner with `heal`. */
  async fault(process: string, id: string, forMs: number, fault: FaultSpec): Promise<void> {
    const order = { type: "fault", id, forMs: Math.round(forMs), fault } as const;
    await sendOrder(this.#dependencies.bus, process, order, ORDER_MS);
  }

  async heal(process: string, id?: string): Promise<void> {
    const order = { type: "heal", ...(id === undefined ? {} : { id }) } as const;
    await sendOrder(this.#dependencies.bus, process, order, ORDER_MS);
  }

  #supervisor(order: SupervisorOrder): Promise<unknown> {
    return sendOrder<SupervisorOrder>(this.#dependencies.bus, "supervisor", order, ORDER_MS);
  }
}

/** Whether the process is meant: by its name, as the agent of a node, or by what it runs. */
export function matches({ name, actors }: Target, actor: string): boolean {
  return names(actor, name) || name === `node-${actor}` || actors.includes(actor);
}

/**
 * The processes that `<actor>[/replica]` means: a process or an actor, of it the replica with that
 * number, process name or replica name.
 * @throws Error that names what there is
 */
export function select(targets: readonly Target[], text: string): Target[] {
  const [actor = "", replica] = text.split("/");
  const running = targets.filter((target) => matches(target, actor));
  if (running.length === 0) {
    const there = new Set(targets.flatMap(({ name, actors }) => [name, ...actors]));
    throw new Error(`Nothing is called ${actor}. There are ${[...there].sort().join(", ")}.`);
  }
  if (replica === undefined) return running;
  const chosen = running.filter(({ name, pid }) => {
    const number = /-(\d+)$/.exec(name)?.[1] ?? "1";
    return name === replica || number === replica || `${name}-${pid}` === replica;
  });
  if (chosen.length > 0) return chosen;
  const there = running.map(({ name }) => name).join(", ");
  throw new Error(`${actor} has no replica ${replica}. There are ${there}.`);
}
