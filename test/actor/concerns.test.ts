import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { garbageCollector } from "../../services/controllers/garbage-collector.ts";
import { namespace } from "../../services/controllers/namespace.ts";
import { snapshotOf } from "../../shared/actor/snapshot.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import { Projection } from "../../shared/store/projection.ts";
import type { Change } from "../../shared/store/view.ts";
import { HEADERS, testRuntime } from "../store/harness.ts";

/** What a controller does not care to look at must be nothing to it. */
const metadata = fc.record(
  {
    uid: fc.constantFrom("u1", "u2", "u3"),
    namespace: fc.constant("default"),
    name: fc.constantFrom("a", "b"),
    deletionTimestamp: fc.constant("2026-11-21T00:00:00Z"),
    finalizers: fc.subarray(["foregroundDeletion", "orphan"]),
    ownerReferences: fc.array(
      fc.record({
        apiVersion: fc.constant("v1"),
        kind: fc.constant("ConfigMap"),
        name: fc.constantFrom("a", "b"),
        uid: fc.constantFrom("u1", "u2", "u3"),
      }),
      { minLength: 1, maxLength: 1 },
    ),
  },
  { requiredKeys: ["uid", "namespace", "name"] },
);
const step = fc.record({ name: fc.constantFrom("a", "b"), metadata: fc.option(metadata) });
const ending = fc.boolean();

describe.each([garbageCollector, namespace])("$name", (controller) => {
  it("is not concerned by what would wake nothing", async () => {
    await fc.assert(
      fc.asyncProperty(
        ending,
        fc.array(step, { minLength: 3, maxLength: 12 }),
        async (isEnding, steps) => {
          const store = new MemoryStore(testRuntime);
          const projection = new Projection({ runtime: testRuntime });
          const changes: Change[] = [];
          projection.subscribe(undefined, (change) => changes.push(change));
          await projection.follow(store);
          const times = isEnding ? { deletionTimestamp: "2026-11-21T00:00:00Z" } : {};
          const ns = { kind: "Namespace", metadata: { name: "default", ...times } };
          await put(store, "namespaces/_/default", ns as KubernetesObject);
          for (const { name, metadata: next } of steps) {
            const object = next && { kind: "ConfigMap", metadata: { ...next, name } };
            await put(store, `configmaps/default/${name}`, object as KubernetesObject | null);
          }
          await projection.waitFor(await store.head(), 5_000);
          const at = snapshotOf(projection, 0);
          for (const change of changes) {
            if (controller.concerns?.(change, projection) ?? true) continue;
            const object = change.type === "DELETED" ? undefined : change.entry.object;
            expect(controller.wakes?.["*"]?.(object, change.old?.object, at)).toEqual([]);
            if (projection.get(change.entry.key)?.revision !== change.revision) continue;
            if (controller.primary !== "*") continue;
            expect(controller.reconcile(change.entry.key, at).actions).toEqual([]);
          }
          projection.stop();
        },
      ),
      { numRuns: 300 },
    );
  });
});

async function put(store: MemoryStore, key: string, object: KubernetesObject | null) {
  const value = object && Buffer.from(JSON.stringify(object));
  if (value || (await store.get(key))) await store.commit([{ key, value }], HEADERS);
}
