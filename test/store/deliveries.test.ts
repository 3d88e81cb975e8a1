import { describe, expect, it } from "vitest";
import { Deliveries, type Receiver } from "../../nats/deliveries.ts";
import { peopleFirst } from "../../nats/people.ts";
import { HEADERS, value } from "./harness.ts";

/** Turns of an event loop that the test makes; each delivery takes a millisecond. */
class FakeLoop {
  readonly taken: string[] = [];
  readonly deliveries: Deliveries<number>;
  #now = 0;
  #due: (() => void)[] = [];

  constructor() {
    const later = (run: () => void): void => void this.#due.push(run);
    this.deliveries = new Deliveries({ now: () => this.#now, later });
  }

  receiver(name: string): Receiver<number> {
    return {
      take: (message) => {
        this.#now += 1;
        this.taken.push(`${name}${message}`);
      },
    };
  }

  /** @returns how many were taken in the turn. */
  turn(): number {
    const before = this.taken.length;
    for (const run of this.#due.splice(0)) run();
    return this.taken.length - before;
  }
}

describe("deliveries", () => {
  it("are at once while there is time, and then in slices, in order over all receivers", () => {
    const loop = new FakeLoop();
    const receivers = [loop.receiver("a"), loop.receiver("b")];
    const offered: string[] = [];
    for (let message = 0; message < 3_000; message++) {
      const receiver = receivers[message % 2] as Receiver<number>;
      loop.deliveries.offer(receiver, message);
      offered.push(`${message % 2 ? "b" : "a"}${message}`);
    }
    const atOnce = loop.taken.length;
    expect(atOnce).toBeGreaterThan(0);
    expect(atOnce).toBeLessThan(10);
    while (loop.taken.length < offered.length) expect(loop.turn()).toBeLessThan(10);
    expect(loop.taken).toEqual(offered);
  });

  it("do not overtake what waits, and are at once again when nothing does", () => {
    const loop = new FakeLoop();
    const receiver = loop.receiver("");
    for (let message = 0; message < 8; message++) loop.deliveries.offer(receiver, message);
    const before = loop.taken.length;
    loop.turn();
    loop.deliveries.offer(receiver, 8);
    while (loop.turn() > 0);
    expect(before).toBeLessThan(8);
    expect(loop.taken).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8].map(String));
    loop.deliveries.offer(receiver, 9);
    expect(loop.taken.at(-1)).toBe("9");
  });
});

describe("what people wait for", () => {
  const commit = (actor: string, ...keys: string[]) => ({
    headers: { ...HEADERS, actor },
    writes: keys.map((key) => ({ key, value: value("1"), expect: 0 })),
  });

  it("goes first, but not past an earlier commit of its key, and not without end", () => {
    const plan = commit("scheduler", "a", "b");
    const [one, two, three] = [commit("user", "c"), commit("user", "d"), commit("user", "e")];
    const same = commit("user", "b");
    const queue = [plan, same, one, two, three];
    expect(peopleFirst(queue, 2)).toEqual([one, two, plan, same, three]);
  });
});
