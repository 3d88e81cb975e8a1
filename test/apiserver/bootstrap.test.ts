import { expect, test } from "vitest";
import { bootstrapObjects } from "../../services/apiserver/bootstrap/objects.ts";
import { startBootstrap } from "../../services/apiserver/bootstrap/start.ts";
import { createEngine } from "../../services/apiserver/engine.ts";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import { Projection } from "../../shared/store/projection.ts";
import type { Store } from "../../shared/store/store.ts";
import { engineOptions } from "./harness.ts";

/** The store as one sees it whose messages take `delayMs`. */
function late(runtime: SeededRuntime, store: Store, delayMs: number): Pick<Store, "watch"> {
  return {
    watch: (prefix, from, handler) =>
      store.watch(prefix, from, {
        ...handler,
        version: (version) => void runtime.timers.after(delayMs, () => handler.version(version)),
      }),
  };
}

test("a replica that starts waits for what it wrote, however late it arrives", async () => {
  const runtime = new SeededRuntime();
  const storeAndProjection = async (delayMs: number) => {
    const store = new MemoryStore(runtime);
    const projection = new Projection({ runtime });
    await runtime.complete(projection.follow(late(runtime, store, delayMs)));
    return { store, projection };
  };
  const cluster = await storeAndProjection(60_000);
  const other = await storeAndProjection(0);
  const stores = { cluster: cluster.store, events: other.store, leases: other.store };
  const projections = {
    cluster: cluster.projection,
    events: other.projection,
    leases: other.projection,
  };
  const allowed = { authorize: () => ({ allowed: true, reason: "" }) };
  const engine = createEngine(engineOptions(runtime, stores, projections, allowed));
  const told: unknown[] = [];
  const logger = { ...silentLogger, info: (fields: object) => told.push(fields) };
  const serviceAddress = "10.96.0.1";
  const replica = "apiserver-1";
  const starting = startBootstrap({
    engine,
    projections,
    runtime,
    logger,
    replica,
    serviceAddress,
  });
  await runtime.advance(55_000);
  expect(told.at(-1)).toEqual({ revision: expect.any(Number), at: 0 });
  const bootstrap = await runtime.complete(starting, 600_000);
  for (const { key } of bootstrapObjects()) {
    expect(cluster.projection.get(key), key).toBeDefined();
  }
  await runtime.complete(bootstrap.stop());
});
