import fc from "fast-check";
import { expect, it } from "vitest";
import { factsOf } from "../../services/controllers/lib/pod-facts.ts";
import { cheapestFirst } from "../../services/controllers/lib/victims.ts";
import type { Pod } from "../../shared/api/generated/types.ts";
import { formatTime } from "../../shared/api/time.ts";

const NOW = Date.UTC(2026, 0, 1);
const pods: fc.Arbitrary<Pod[]> = fc
  .array(
    fc.record({
      node: fc.constantFrom("", "n1", "n2"),
      phase: fc.constantFrom("Pending", "Running", "Unknown"),
      ready: fc.boolean(),
      age: fc.integer({ min: 0, max: 10_000 }),
    }),
    { maxLength: 30 },
  )
  .map((all) => all.map(podOf));

function podOf(
  { node, phase, ready, age }: { node: string; phase: string; ready: boolean; age: number },
  index: number,
): Pod {
  const time = formatTime(NOW - age * 1000);
  const status = ready ? "True" : "False";
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `p${index}`, uid: `u${index}`, creationTimestamp: time },
    spec: { containers: [], nodeName: node },
    status: { phase, conditions: [{ type: "Ready", status, lastTransitionTime: time }] },
  };
}

it("a few victims are the first of all, whatever the order of the pods", () => {
  fc.assert(
    fc.property(pods, fc.nat(10), (given, count) => {
      const facts = given.map(factsOf);
      const all = cheapestFirst(facts, facts, NOW, facts.length);
      expect(new Set(all)).toEqual(new Set(facts));
      const few = cheapestFirst(facts.toReversed(), facts, NOW, count);
      expect(few).toEqual(all.slice(0, count));
    }),
  );
});
