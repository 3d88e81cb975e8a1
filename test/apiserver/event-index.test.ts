import fc from "fast-check";
import { expect, it } from "vitest";
import { EventIndex } from "../../services/apiserver/bus/event-index.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import { Projection } from "../../shared/store/projection.ts";
import { HEADERS, testRuntime } from "../store/harness.ts";

const NAMESPACES = ["a", "b"];
const NAMES = ["web", "web.1", "w"];
const DIGESTS = ["0000", "00f0"];

const events = fc.record({
  namespace: fc.constantFrom(...NAMESPACES),
  name: fc.constantFrom(...NAMES),
  time: fc.nat(5).map((time) => String(time).padStart(12, "0")),
  digest: fc.constantFrom(...DIGESTS),
  deleted: fc.boolean(),
});

it("finds the events about an object that say the same, whatever came and went", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(events), fc.array(events), async (before, after) => {
      const store = new MemoryStore(testRuntime);
      const projection = new Projection({ runtime: testRuntime });
      const present = new Set<string>();
      const write = async (all: typeof before): Promise<void> => {
        for (const { namespace, name, time, digest, deleted } of all) {
          const key = `events/${namespace}/${name}.${time}${digest}`;
          if (deleted) present.delete(key);
          else present.add(key);
          const value = deleted ? null : Buffer.from('{"kind":"Event","metadata":{}}');
          await store.commit([{ key, value }], HEADERS);
        }
      };
      const foreign = { key: "events/a/by-hand", value: Buffer.from("{}") };
      await store.commit([foreign], HEADERS);
      await write(before);
      await projection.follow(store);
      const index = new EventIndex(projection);
      await write(after);
      await projection.waitFor(await store.head(), 1_000);
      for (const namespace of NAMESPACES) {
        for (const name of NAMES) {
          for (const digest of DIGESTS) {
            const wanted = [...present]
              .filter((key) => key.startsWith(`events/${namespace}/${name}.0`))
              .filter((key) => key.endsWith(digest))
              .map((key) => key.slice(`events/${namespace}/`.length));
            expect(index.find(namespace, name, digest)).toEqual(wanted.sort());
          }
        }
      }
    }),
    { numRuns: 50 },
  );
});
