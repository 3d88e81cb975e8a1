import { beforeEach, describe, expect, it } from "vitest";
import { ProcessFaults } from "../../services/chaos/process/faults.ts";
import type { Bus } from "../../shared/actor/bus.ts";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import { Faults } from "../../shared/actor/faults.ts";
import { NO_FAULTS } from "../../shared/faults/language.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import type { WriteHeaders } from "../../shared/store/store.ts";
import { SimulatedNetwork } from "../sim/network.ts";

const HEADERS: WriteHeaders = { actor: "test", replica: "test", trace: "T", cause: 0 };
const write = (name: string) => [{ key: `pods/default/${name}`, value: Buffer.from("{}") }];

let simulator: SeededRuntime;
let faults: ProcessFaults;
let orders: Faults;
let deaths: number;
let bus: Bus;
/** What another process hears from this one. */
let heard: string[];

beforeEach(() => {
  simulator = new SeededRuntime({ seed: 2 });
  deaths = 0;
  heard = [];
  const network = new SimulatedNetwork(simulator, NO_FAULTS);
  const runtime = simulator.process("broken");
  faults = new ProcessFaults(runtime, () => deaths++);
  orders = new Faults({ runtime, logger: silentLogger }, faults);
  bus = faults.bus(network.connect(runtime));
  const other = network.connect(simulator.process("other"));
  other.subscribe("hello", ({ data }) => void heard.push(Buffer.from(data).toString()));
  other.subscribe("ask", (message) => message.respond(Buffer.from("answer")));
});

function apply(fault: Record<string, unknown>, forMs = 5_000): void {
  orders.apply({ type: "fault", id: String(fault["kind"]), forMs, fault });
}

const say = (text: string): void => bus.publish("hello", Buffer.from(text));

describe("faults in a process", () => {
  it("ends each at its time, whoever ordered it may be gone", async () => {
    apply({ kind: "drop", probability: 1 }, 3_000);
    say("lost");
    await simulator.advance(2_999);
    expect(faults.active()).toEqual(["drop"]);
    await simulator.advance(2);
    expect(faults.active()).toEqual([]);
    say("heard");
    await simulator.advance(100);
    expect(heard).toEqual(["heard"]);
  });

  it("lasts on when it is renewed", async () => {
    apply({ kind: "drop", probability: 1 }, 3_000);
    await simulator.advance(2_000);
    apply({ kind: "drop", probability: 1 }, 3_000);
    await simulator.advance(2_000);
    expect(faults.active()).toEqual(["drop"]);
  });

  it("refuses what it does not know, and names the field", () => {
    expect(() => apply({ kind: "drop", probability: 3 })).toThrow("probability");
    expect(() => apply({ kind: "flood" })).toThrow("kind");
    expect(faults.active()).toEqual([]);
  });

  it("keeps slow messages in order, also when the fault ends before them", async () => {
    apply({ kind: "slow", ms: [50, 400] }, 300);
    for (let count = 0; count < 10; count++) say(String(count));
    await simulator.advance(301);
    say("last");
    await simulator.advance(1_000);
    expect(heard).toEqual([..."0123456789", "last"]);
  });

  it("doubles messages", async () => {
    apply({ kind: "duplicate", probability: 1 });
    say("twice");
    await simulator.advance(100);
    expect(heard).toEqual(["twice", "twice"]);
  });

  it("notices a cut in both directions, and not one in one direction", async () => {
    const told: boolean[] = [];
    bus.onStatus((connected) => void told.push(connected));
    apply({ kind: "partition", from: "nodes", send: true, receive: false });
    expect(bus.connected).toBe(true);
    apply({ kind: "partition", from: "nodes" });
    expect(bus.connected).toBe(false);
    await expect(bus.request("ask", Buffer.alloc(0), 500)).rejects.toThrow("lost");
    orders.heal();
    const asked = bus.request("ask", Buffer.alloc(0), 500);
    expect(Buffer.from((await simulator.complete(asked)).data).toString()).toBe("answer");
    expect(told).toEqual([false, true]);
  });

  it("hides the log behind a partition, and shows every version after it, in order", async () => {
    const inner = new MemoryStore(simulator);
    const store = faults.store(inner);
    const seen: string[] = [];
    store.watch("", 0, { version: ({ key }) => void seen.push(key), failed: () => undefined });
    await inner.commit(write("a"), HEADERS);
    await simulator.advance(10);
    apply({ kind: "partition", from: "log" });
    await inner.commit(write("b"), HEADERS);
    await simulator.advance(1_000);
    expect(seen).toEqual(["pods/default/a"]);
    const refused = expect(simulator.complete(store.commit(write("c"), HEADERS))).rejects;
    await refused.toThrow("not reachable");
    orders.heal("partition");
    await inner.commit(write("d"), HEADERS);
    await simulator.advance(1_000);
    expect(seen).toEqual(["pods/default/a", "pods/default/b", "pods/default/d"]);
  });

  it("reads the log late", async () => {
    const inner = new MemoryStore(simulator);
    const seen: number[] = [];
    apply({ kind: "lag", ms: [700, 700], probability: 1 });
    faults.store(inner).watch("", 0, {
      version: () => void seen.push(simulator.nowMs),
      failed: () => undefined,
    });
    await inner.commit(write("a"), HEADERS);
    await simulator.advance(2_000);
    expect(seen).toEqual([700]);
  });

  it("has no room on the log's disk", async () => {
    const inner = new MemoryStore(simulator);
    apply({ kind: "log", diskFull: true });
    await expect(faults.store(inner).commit(write("a"), HEADERS)).rejects.toThrow("disk is full");
    expect(await inner.head()).toBe(0);
  });

  it("dies between two effects, only where it is told to", async () => {
    apply({ kind: "crash", probability: 1, between: ["commit"] });
    say("spoken");
    expect(deaths).toBe(0);
    await faults.store(new MemoryStore(simulator)).commit(write("a"), HEADERS);
    expect(deaths).toBe(1);
  });

  it("has a clock that is wrong, and durations that are right", async () => {
    const { clock } = faults.runtime;
    const [now, monotonic] = [clock.now(), clock.monotonic()];
    apply({ kind: "skew", ms: -90_000 });
    expect(clock.now()).toBe(now - 90_000);
    expect(clock.monotonic()).toBe(monotonic);
  });
});
