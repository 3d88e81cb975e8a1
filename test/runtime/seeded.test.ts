import { describe, expect, it } from "vitest";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";

describe("the seeded runtime", () => {
  it("runs timers in order of time, and of arrival within the same time", async () => {
    const simulator = new SeededRuntime();
    const seen: string[] = [];
    simulator.timers.after(20, () => seen.push("late"));
    simulator.timers.after(10, () => seen.push("first"));
    simulator.timers.after(10, () => seen.push("second"));
    await simulator.advance(15);
    expect(seen).toEqual(["first", "second"]);
    await simulator.advance(5);
    expect(seen).toEqual(["first", "second", "late"]);
  });

  it("lets every promise settle before the next event", async () => {
    const simulator = new SeededRuntime();
    const seen: string[] = [];
    simulator.timers.after(1, async () => {
      for (let turn = 0; turn < 50; turn++) await Promise.resolve();
      seen.push("deep chain");
    });
    simulator.timers.after(1, () => seen.push("next event"));
    await simulator.advance(1);
    expect(seen).toEqual(["deep chain", "next event"]);
  });

  it("never fires or settles anything of a crashed process", async () => {
    const simulator = new SeededRuntime();
    const actor = simulator.process("actor");
    const seen: string[] = [];
    actor.timers.after(5, () => seen.push("timer"));
    actor.timers.every(1, () => seen.push("tick"));
    void actor.timers.sleep(5).then(() => seen.push("sleep"));
    await simulator.advance(1);
    actor.crash();
    await simulator.advance(100);
    expect(seen).toEqual(["tick"]);
  });

  it("may crash a process at any boundary, which drops the event", async () => {
    const simulator = new SeededRuntime();
    const actor = simulator.process("actor");
    let fired = false;
    actor.timers.after(1, () => {
      fired = true;
    });
    simulator.boundary = (process) => process.crash();
    await simulator.advance(2);
    expect([fired, actor.alive]).toEqual([false, false]);
  });

  it("skews the wall clock of one process and leaves its timers alone", async () => {
    const simulator = new SeededRuntime({ startMs: 1_000_000 });
    const skewed = simulator.process("skewed", { skewMs: -500 });
    let firedAt = -1;
    skewed.timers.after(100, () => {
      firedAt = skewed.clock.now();
    });
    await simulator.advance(100);
    expect(firedAt).toBe(999_600);
    expect(simulator.clock.now()).toBe(1_000_100);
    expect(skewed.clock.monotonic()).toBe(100);
  });

  it("stops a repeating timer from within its own call", async () => {
    const simulator = new SeededRuntime();
    let calls = 0;
    const cancel = simulator.timers.every(10, () => {
      calls++;
      if (calls === 3) cancel();
    });
    await simulator.advance(1000);
    expect(calls).toBe(3);
  });

  it("gives the same trace for the same seed and another for another", async () => {
    const run = async (seed: number): Promise<string> => {
      const simulator = new SeededRuntime({ seed });
      const actor = simulator.process("actor");
      const draws = actor.random.stream("draws");
      actor.timers.every(10, () => simulator.trace(`${draws.integer(1000)} ${actor.ids.ulid()}`));
      await simulator.advance(500);
      return simulator.traceHash;
    };
    expect(await run(1)).toBe(await run(1));
    expect(await run(1)).not.toBe(await run(2));
  });

  it("keeps named random streams apart", () => {
    const draw = (disturb: boolean): number[] => {
      const runtime = new SeededRuntime({ seed: 3 });
      const stream = runtime.random.stream("ties");
      if (disturb) runtime.random.stream("telemetry").next();
      return [stream.next(), stream.integer(100), stream.next()];
    };
    expect(draw(true)).toEqual(draw(false));
  });

  it("draws numbers that are spread evenly", () => {
    const stream = new SeededRuntime({ seed: 9 }).random.stream("spread");
    const counts = new Array<number>(10).fill(0);
    for (let draw = 0; draw < 10_000; draw++) counts[stream.integer(10)]!++;
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  it("makes ULIDs that sort by time and UUIDs of version 4", async () => {
    const runtime = new SeededRuntime();
    const first = runtime.ids.ulid();
    await runtime.advance(5);
    const second = runtime.ids.ulid();
    expect(first).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
    expect(first < second).toBe(true);
    expect(runtime.ids.uuid()).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });

  it("completes a promise that needs virtual time, and says when it never settles", async () => {
    const runtime = new SeededRuntime();
    await runtime.complete(runtime.timers.sleep(30_000));
    expect(runtime.nowMs).toBe(30_000);
    await expect(runtime.complete(new Promise(() => undefined), 10)).rejects.toThrow("not settled");
  });
});
