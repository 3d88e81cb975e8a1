import { expect, it } from "vitest";
import { SchedulingQueue } from "../../services/scheduler/queue.ts";
import type { Pod } from "../../shared/api/generated/types.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";

function start() {
  const runtime = new SeededRuntime({ seed: 1 });
  let calls = 0;
  const queue = new SchedulingQueue<{ id: string }>(runtime, () => {
    calls++;
  });
  return { runtime, queue, calls: () => calls };
}

const pod = (priority = 0) => ({ metadata: { name: "p" }, spec: { priority } }) as unknown as Pod;
/** Longer than any first back-off. */
const SOON_MS = 1_001;

it("gives higher priority first, then older", () => {
  const { queue } = start();
  for (const [key, priority] of [
    ["a", 0],
    ["b", 5],
    ["c", 0],
    ["d", 5],
  ] as const) {
    queue.add(key, pod(priority));
  }
  expect(queue.take(3)).toEqual(["b", "d", "a"]);
  expect(queue.active).toBe(1);
  expect(queue.take(3)).toEqual(["c"]);
});

it("passes over what was removed meanwhile, and takes it anew when it comes back", () => {
  const { queue } = start();
  queue.add("a", pod());
  queue.add("b", pod());
  queue.remove("a");
  queue.add("a", pod());
  expect(queue.take(9)).toEqual(["b", "a"]);
  expect(queue.length).toBe(2);
});

it("wakes only the groups that a change may help, each pod once", async () => {
  const { runtime, queue, calls } = start();
  for (const key of ["a", "b", "c"]) queue.add(key, pod());
  queue.take(3);
  for (const key of ["a", "b"]) queue.unschedulable(key, { id: "large" });
  queue.unschedulable("c", { id: "small" });
  const asked: string[] = [];
  const before = calls();
  queue.relieve(({ id }) => asked.push(id) > 0 && id === "large");
  queue.relieve(({ id }) => asked.push(id) > 0 && id === "large");
  expect(asked).toEqual(["large", "small", "small"]);
  expect(queue.active).toBe(0);
  await runtime.advance(SOON_MS);
  expect(queue.take(9).sort()).toEqual(["a", "b"]);
  expect(calls() - before).toBeLessThanOrEqual(2);
});

it("lets ten thousand unschedulable pods rest when nothing helps them", async () => {
  const { runtime, queue, calls } = start();
  for (let index = 0; index < 10_000; index++) queue.add(`p-${index}`, pod());
  for (const key of queue.take(10_000)) queue.unschedulable(key, { id: "all" });
  const before = calls();
  for (let change = 0; change < 1_000; change++) queue.relieve(() => false);
  await runtime.advance(60_000);
  expect(calls()).toBe(before);
  expect(queue.active).toBe(0);
});

it("waits longer with every refusal", async () => {
  const { runtime, queue } = start();
  queue.add("a", pod());
  for (let refusals = 0; refusals < 6; refusals++) {
    expect(queue.take(1)).toEqual(["a"]);
    queue.refused("a");
    expect(queue.wasRefused("a")).toBe(true);
    await runtime.advance(SOON_MS);
  }
  queue.take(1);
  queue.refused("a");
  await runtime.advance(50);
  expect(queue.active).toBe(0);
});
