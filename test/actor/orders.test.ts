import { beforeEach, describe, expect, it } from "vitest";
import type { Bus } from "../../shared/actor/bus.ts";
import { NoResponderError } from "../../shared/actor/bus.ts";
import {
  type Order,
  OrderRefusedError,
  orderSubject,
  type ProcessState,
  sendOrder,
  sendToEvery,
  serveOrders,
} from "../../shared/actor/orders.ts";
import { World } from "./world.ts";

const ORDER_MS = 1_000;

/** A process that remembers what it was told, and where its faults are. */
class Obedient {
  readonly ran: (readonly string[])[] = [];
  readonly faults = new Set<string>();
  readonly served: { stop(): void };

  constructor(world: World, name: string) {
    const dependencies = world.dependencies(name);
    this.served = serveOrders(dependencies, name, {
      profile: (forMs) => Promise.resolve(`profile of ${forMs} ms`),
      run: async (actors) => {
        if (actors.includes("nobody")) throw new Error("no actor is called nobody");
        this.ran.push(actors);
      },
      state: async (withKeys) => stateOf(name, withKeys),
      faults: {
        apply: ({ id, fault }) => {
          if (fault["kind"] !== "slow") throw new Error("unknown fault");
          this.faults.add(id);
        },
        heal: (id) => void this.faults.delete(id),
        active: () => [...this.faults],
      },
    });
  }
}

function stateOf(process: string, withKeys: boolean): Omit<ProcessState, "faults"> {
  const actor = { actor: "deployment", replica: `${process}-1`, ...(withKeys && { keys: 3 }) };
  const figures = { pid: 1, version: "1", uptimeMs: 0, memoryBytes: 0, cpuMs: 0 };
  return { process, ...figures, actors: [actor] };
}

describe("orders", () => {
  let world: World;
  let bus: Bus;
  let first: Obedient;
  let second: Obedient;
  beforeEach(() => {
    world = new World();
    first = new Obedient(world, "control");
    second = new Obedient(world, "node-my.host");
    bus = world.dependencies("operator").bus;
  });

  function give(process: string, order: Order): Promise<unknown> {
    return world.simulator.complete(sendOrder(bus, process, order, ORDER_MS));
  }

  const slow = (id: string, forMs = 500): Order => ({
    type: "fault",
    id,
    forMs,
    fault: { kind: "slow" },
  });

  it("reach the process that is named, whatever its name is", async () => {
    await give("control", { type: "run", actors: ["deployment"] });
    await give("node-my.host", { type: "run", actors: ["kubelet"] });
    expect([first.ran, second.ran]).toEqual([[["deployment"]], [["kubelet"]]]);
    expect(orderSubject("node-my.host").split(".")).toHaveLength(3);
  });

  it("are refused with the reason, and by nobody when no process is called so", async () => {
    await expect(give("control", { type: "run", actors: ["nobody"] })).rejects.toEqual(
      new OrderRefusedError("no actor is called nobody"),
    );
    const unknown = { type: "dance" } as unknown as Order;
    await expect(give("control", unknown)).rejects.toThrow(OrderRefusedError);
    await expect(give("control-2", { type: "state" })).rejects.toThrow(NoResponderError);
    first.served.stop();
    await expect(give("control", { type: "state" })).rejects.toThrow(NoResponderError);
  });

  it("ask for the state, with what is dear only on request, and with the faults", async () => {
    await give("control", slow("a"));
    expect(await give("control", { type: "state" })).toEqual({
      ...stateOf("control", false),
      faults: ["a"],
    });
    expect(await give("control", { type: "state", keys: true })).toMatchObject({
      actors: [{ keys: 3 }],
    });
  });

  it("reach every process at once", async () => {
    const all = sendToEvery({ bus, runtime: world.simulator }, { type: "state" }, ORDER_MS, 2);
    const states = (await world.simulator.complete(all)) as ProcessState[];
    expect(states.map(({ process }) => process).sort()).toEqual(["control", "node-my.host"]);
    const late = sendToEvery({ bus, runtime: world.simulator }, { type: "state" }, ORDER_MS);
    expect(await world.simulator.complete(late)).toHaveLength(2);
  });

  it("break a process until it is healed, at the latest at its time", async () => {
    await give("control", slow("a", 500));
    await give("control", slow("b", 5_000));
    await world.simulator.advance(600);
    expect([...first.faults]).toEqual(["b"]);
    await give("control", { type: "heal", id: "b" });
    expect([...first.faults]).toEqual([]);
  });

  it("prolong a fault that is ordered again, and heal all of them without an id", async () => {
    await give("control", slow("a", 500));
    await world.simulator.advance(300);
    await give("control", slow("a", 500));
    await world.simulator.advance(300);
    expect([...first.faults]).toEqual(["a"]);
    await give("control", slow("b"));
    await give("control", { type: "heal" });
    expect([...first.faults]).toEqual([]);
  });

  it("refuse faults that the process does not know, or that would never end", async () => {
    const unknown: Order = { type: "fault", id: "x", forMs: 100, fault: { kind: "gone" } };
    await expect(give("control", unknown)).rejects.toThrow("unknown fault");
    await expect(give("control", slow("a", Number.MAX_SAFE_INTEGER))).rejects.toThrow("forMs");
    expect([...first.faults]).toEqual([]);
  });
});
