import { describe, expect, it } from "vitest";
import { backoffMs } from "../../shared/actor/backoff.ts";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import { DEFAULT_POLICY, supervise } from "../../shared/actor/supervise.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";

function watched(runtime: SeededRuntime, start: (life: number) => Promise<void>) {
  const seen: string[] = [];
  let lives = 0;
  const fails: ((error: Error) => void)[] = [];
  const running = supervise(
    { runtime, logger: silentLogger },
    {
      name: "actor",
      start: async (fail) => {
        const life = ++lives;
        fails.push(fail);
        await start(life);
        seen.push(`started ${life}`);
        return { stop: async () => void seen.push(`stopped ${life}`) };
      },
      escalate: (error) => void seen.push(`escalated: ${error.message}`),
    },
  );
  return { seen, fails, running };
}

describe("supervision", () => {
  it("starts an actor again that reports a failure, after stopping it", async () => {
    const runtime = new SeededRuntime();
    const { seen, fails } = watched(runtime, async () => undefined);
    await runtime.advance(10);
    fails[0]?.(new Error("broken"));
    await runtime.advance(1_000);
    expect(seen).toEqual(["started 1", "stopped 1", "started 2"]);
  });

  it("starts an actor again that could not start", async () => {
    const runtime = new SeededRuntime();
    const { seen } = watched(runtime, async (life) => {
      if (life < 3) throw new Error("not yet");
    });
    await runtime.advance(5_000);
    expect(seen).toEqual(["started 3"]);
  });

  it("heeds only the present life's reports", async () => {
    const runtime = new SeededRuntime();
    const { seen, fails } = watched(runtime, async () => undefined);
    await runtime.advance(10);
    fails[0]?.(new Error("broken"));
    fails[0]?.(new Error("broken twice"));
    await runtime.advance(1_000);
    fails[0]?.(new Error("late"));
    await runtime.advance(1_000);
    expect(seen).toEqual(["started 1", "stopped 1", "started 2"]);
  });

  it("escalates when restarting does not help", async () => {
    const runtime = new SeededRuntime();
    const { seen } = watched(runtime, async () => {
      throw new Error("no disk");
    });
    await runtime.advance(10 * 60_000);
    expect(seen).toEqual(["escalated: no disk"]);
  });

  it("stops the actor and starts it no more", async () => {
    const runtime = new SeededRuntime();
    const { seen, fails, running } = watched(runtime, async () => undefined);
    await runtime.complete(running.stop());
    fails[0]?.(new Error("too late"));
    await runtime.advance(1_000);
    expect(seen).toEqual(["started 1", "stopped 1"]);
  });
});

describe("back-off", () => {
  it("doubles, is bounded, and is spread over its upper half", () => {
    const random = new SeededRuntime().random.stream("test");
    for (let attempt = 1; attempt < 100; attempt++) {
      const bound = Math.min(DEFAULT_POLICY.maxMs, DEFAULT_POLICY.baseMs * 2 ** (attempt - 1));
      const wait = backoffMs(attempt, DEFAULT_POLICY, random);
      expect(wait).toBeGreaterThanOrEqual(bound / 2);
      expect(wait).toBeLessThanOrEqual(bound);
    }
  });
});
