import { expect, it } from "vitest";
import { KeyQueue } from "../../shared/actor/queue.ts";
import { World } from "./world.ts";

const KEY = "configmaps/default/a";

function started() {
  const { simulator, ...world } = new World();
  const runtime = simulator.process("actor");
  const ready: number[] = [];
  const queue = new KeyQueue(runtime, () => ready.push(runtime.clock.monotonic()));
  return { ...world, simulator, runtime, queue, ready };
}

it("a key that had its share of the time rests, whatever changes, and then comes", async () => {
  const { simulator, runtime, queue, ready } = started();
  queue.add(KEY, 1);
  expect(queue.take()).toEqual({ key: KEY, cause: 1 });
  const begun = runtime.clock.monotonic();
  queue.done(KEY, undefined, begun + 200);
  for (let cause = 2; cause < 5; cause++) {
    await simulator.advance(50);
    queue.add(KEY, cause);
    expect(queue.length).toBe(0);
  }
  await simulator.advance(50);
  expect(ready.slice(1)).toEqual([begun + 200]);
  expect(queue.take()).toEqual({ key: KEY, cause: 4 });
});

it("what changed during the pass waits for the end of the rest as well", async () => {
  const { simulator, runtime, queue } = started();
  queue.add(KEY, 1);
  queue.take();
  queue.add(KEY, 2);
  queue.done(KEY, 10_000, runtime.clock.monotonic() + 200);
  await simulator.advance(199);
  expect(queue.length).toBe(0);
  await simulator.advance(1);
  expect(queue.take()).toEqual({ key: KEY, cause: 2 });
});

it("after its rest a key that nobody asks for is forgotten", async () => {
  const { simulator, runtime, queue } = started();
  queue.add(KEY, 1);
  queue.take();
  queue.done(KEY, undefined, runtime.clock.monotonic() + 200);
  expect(queue.size).toBe(1);
  await simulator.advance(200);
  expect(queue.size).toBe(0);
});

it("a key that may rest comes when the time is over, or with the next change", async () => {
  const { simulator, queue } = started();
  queue.rest(KEY, 1, 500);
  await simulator.advance(499);
  expect(queue.length).toBe(0);
  await simulator.advance(1);
  expect(queue.take()).toEqual({ key: KEY, cause: 0 });
  queue.done(KEY);
  queue.rest(KEY, 2, 500);
  queue.add(KEY, 3);
  expect(queue.take()).toEqual({ key: KEY, cause: 3 });
});

it("who was overtaken again and again comes back soon all the same", async () => {
  const { simulator, runtime, queue, ready } = started();
  queue.add(KEY, 1);
  for (let conflicts = 0; conflicts < 12; conflicts++) {
    queue.take();
    const before = ready.length;
    const failed = runtime.clock.monotonic();
    queue.failed(KEY, 1, true);
    await simulator.advance(100);
    expect(ready.length).toBe(before + 1);
    expect(ready.at(-1)).toBeGreaterThan(failed);
  }
  queue.take();
  queue.failed(KEY, 1);
  await simulator.advance(100);
  expect(queue.length).toBe(0);
});
