import { expect, it } from "vitest";
import { KeptBytes } from "../../shared/runtime/kept-bytes.ts";

const MIB = 1024 * 1024;

it("hands out memory that V8 does not count, of the wanted length", () => {
  const before = process.memoryUsage().external;
  const bytes = new KeptBytes().allocate(32 * MIB);
  expect(bytes.length).toBe(32 * MIB);
  expect(process.memoryUsage().external - before).toBeLessThan(MIB);
  bytes.write("text", MIB);
  expect(bytes.toString("utf8", MIB, MIB + 4)).toBe("text");
});

it("has the heap collected before garbage piles up", async () => {
  const kept = new KeptBytes(16 * MIB);
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  for (let allocated = 0; allocated < 2_048; allocated++) {
    kept.allocate(MIB);
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(most).toBeLessThan(1_024 * MIB);
});
