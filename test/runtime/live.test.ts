import { decodeTime, ulid } from "ulid";
import { describe, expect, it } from "vitest";
import { ulidOf, uuidOf } from "../../shared/runtime/ids.ts";
import { liveRuntime } from "../../shared/runtime/live.ts";

describe("the live runtime", () => {
  it("runs a timer, repeats another and cancels a third", async () => {
    const { timers } = liveRuntime();
    const seen: string[] = [];
    timers.after(0, () => seen.push("cancelled"))();
    await new Promise<void>((resolve) => {
      const cancel = timers.every(1, () => {
        seen.push("tick");
        if (seen.length === 2) {
          cancel();
          resolve();
        }
      });
    });
    await timers.sleep(0);
    expect(seen).toEqual(["tick", "tick"]);
  });

  it("does not fire a delay at once that is longer than Node's timers take", async () => {
    const { timers } = liveRuntime();
    let fired = false;
    const cancel = timers.after(2 ** 31 + 1000, () => {
      fired = true;
    });
    await timers.sleep(5);
    cancel();
    expect(fired).toBe(false);
  });

  it("writes ULIDs that other readers understand", () => {
    const time = 1_767_225_600_123;
    expect(decodeTime(ulidOf(time, new Uint8Array(16).fill(255)))).toBe(time);
    expect(ulidOf(time, new Uint8Array(16).fill(255)).slice(10)).toBe("ZZZZZZZZZZZZZZZZ");
    const random = Uint8Array.from({ length: 16 }, (_, index) => index * 17);
    let next = 0;
    expect(ulidOf(time, random)).toBe(ulid(time, () => (random[next++] as number) / 256));
    expect(uuidOf(new Uint8Array(16))).toBe("00000000-0000-4000-8000-000000000000");
  });

  it("makes no id twice", () => {
    const { ids } = liveRuntime();
    expect(new Set(Array.from({ length: 2000 }, () => ids.ulid())).size).toBe(2000);
  });

  it("draws within bounds", () => {
    const stream = liveRuntime().random.stream("any");
    expect(stream.integer(1)).toBe(0);
    expect(stream.integer(3)).toBeLessThan(3);
    expect(stream.bytes(7)).toHaveLength(7);
  });
});
