import { describe, expect, it } from "vitest";
import { startCompaction } from "../../services/compaction/start.ts";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import { type Membership, soleMember } from "../../shared/actor/membership.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import { CompactedError } from "../../shared/store/store.ts";
import { HEADERS, value } from "./harness.ts";

const HOUR = 3_600_000;

async function compactedAfter(hours: number, membership: Membership): Promise<MemoryStore> {
  const simulator = new SeededRuntime();
  const runtime = simulator.process("compaction");
  const store = new MemoryStore(runtime);
  await store.commit([{ key: "pods/a/x", value: value("1"), expect: 0 }], HEADERS);
  await store.commit([{ key: "pods/a/x", value: value("2"), expect: 1 }], HEADERS);
  const dependencies = { runtime, bus: {} as never, logger: silentLogger, replica: "one" };
  const actor = startCompaction(dependencies, { stores: { cluster: store }, membership });
  await simulator.runUntil(() => false, hours * HOUR);
  await actor.stop();
  return store;
}

describe("compaction", () => {
  it("leaves a day of history", async () => {
    const store = await compactedAfter(23, soleMember);
    expect((await store.get("pods/a/x", 1))?.value?.toString()).toBe("1");
  });

  it("forgets what is older, but never what lives", async () => {
    const store = await compactedAfter(25, soleMember);
    await expect(store.get("pods/a/x", 1)).rejects.toBeInstanceOf(CompactedError);
    expect((await store.get("pods/a/x"))?.value?.toString()).toBe("2");
  });

  it("is left to the replica that owns the log", async () => {
    const store = await compactedAfter(25, { ...soleMember, owns: () => false });
    expect((await store.get("pods/a/x", 1))?.value?.toString()).toBe("1");
  });
});
