import type { Bus } from "../../shared/actor/bus.ts";
import type { ActorDependencies } from "../../shared/actor/dependencies.ts";
import {
  type ActorState,
  type ProcessState,
  sendOrder,
  sendToEvery,
} from "../../shared/actor/orders.ts";
import { names } from "../../shared/faults/language.ts";
import type { SignalOrder, Struck, SupervisedProcess } from "./orders.ts";
import type { FaultSpec } from "./process/spec.ts";

export const NATS_SERVER = "nats-server";

const ORDER_MS = 2_000;
const STATES_MS = 250;
/** Processes start, and those that go let their work end. */
const SCALE_MS = 120_000;

/** A process as it may be struck. */
export interface Target extends SupervisedProcess {
  /** It has started and answers orders; of a NATS server nobody asks that. */
  readonly answers: boolean;
  /** The actors that it runs, where it says so. */
  readonly actors: readonly string[];
  /** What it says of each. */
  readonly replicas: readonly ActorState[];
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
    const status = { type: "status" } as const;
    const answer = await sendOrder<typeof status>(
      this.#dependencies.bus,
      "supervisor",
      status,
      ORDER_MS,
    );
    const { processes } = answer as { readonly processes: SupervisedProcess[] };
    const running = processes.filter(({ name, pid }) => name !== NATS_SERVER && pid !== null);
    const states = await this.states(running.length);
    const said = new Map(states.map(({ process, actors }) => [process, actors]));
    return processes.map((each) => {
      const replicas = said.get(each.name) ?? [];
      return {
        ...each,
        answers: replicas.length > 0 || each.name === NATS_SERVER,
        actors: replicas.map(({ actor }) => actor),
        replicas,
      };
    });
  }

  /** What processes say of themselves; waits no longer when so many have. */
  async states(expected?: number): Promise<ProcessState[]> {
    const order = { type: "state" } as const;
    return (await sendToEvery(this.#dependencies, order, STATES_MS, expected)) as ProcessState[];
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

  /** Other numbers of replicas, by actor; resolves when they run. */
  async scale(replicas: Readonly<Record<string, number>>): Promise<void> {
    const order = { type: "scale", replicas } as const;
    await sendOrder<typeof order>(this.#dependencies.bus, "supervisor", order, SCALE_MS);
  }

  #supervisor(order: SignalOrder): Promise<unknown> {
    return sendOrder<SignalOrder>(this.#dependencies.bus, "supervisor", order, ORDER_MS);
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
