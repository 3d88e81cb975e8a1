import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { KeptBytes } from "../../shared/runtime/kept-bytes.ts";

const MIB = 1024 * 1024;

it("hands out memory that V8 does not count, of the wanted length", () => {
  const before = process.memoryUsage().external;
  const bytes = new KeptBytes().allocate(64 * MIB);
  expect(bytes.length).toBe(64 * MIB);
  expect(process.memoryUsage().external - before).toBeLessThan(MIB);
  bytes.write("text", MIB);
  expect(bytes.toString("utf8", MIB, MIB + 4)).toBe("text");
});

it("lets V8 count what comes after the bound, until it has collected", async () => {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  const kept = new KeptBytes(8 * MIB);
  const isCounted = () => !(kept.allocate(4 * MIB + 1).buffer instanceof SharedArrayBuffer);
  expect([isCounted(), isCounted(), isCounted()]).toEqual([false, true, true]);
  // What a WeakRef was asked for lives until the end of the turn.
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  expect([isCounted(), isCounted(), isCounted()]).toEqual([false, false, true]);
});
