import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeObject } from "../../../shared/api/encode.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import { trackUpdate } from "../../../shared/api/patch/apply.ts";
import { knownText, storedSet } from "../../../shared/api/patch/field-text.ts";
import { tableOf } from "../patch/cases.ts";

const POD = tableOf("Pod");

const conditions = fc.uniqueArray(
  fc.record({ type: fc.constantFrom("Ready", "Initialized", 'z\u00e9"1'), status: fc.string() }),
  { selector: ({ type }) => type, maxLength: 3 },
);
const status = fc.record(
  { phase: fc.string(), conditions, podIPs: fc.constantFrom([], [{ ip: "10.0.0.1" }]) },
  { requiredKeys: [] },
);
const labels = fc.dictionary(fc.constantFrom("a", "b", "\u00e4"), fc.string(), { maxKeys: 2 });
const step = fc.record({
  manager: fc.constantFrom("kubelet", "kubectl"),
  subresource: fc.constantFrom("", "status"),
  labels,
  status,
});

test("managed fields and their encoding are the same whether sets are known or not", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (steps) => {
      const start = { kind: "Pod", apiVersion: "v1", metadata: { name: "p", uid: "u" } };
      const run = (between: (object: KubernetesObject) => KubernetesObject): string[] => {
        let old: KubernetesObject | undefined;
        return steps.map(({ manager, subresource, labels, status }, index) => {
          const metadata = { ...(old ?? start).metadata, labels };
          const next = structuredClone({ ...start, metadata, status }) as KubernetesObject;
          const entries = old?.metadata.managedFields;
          if (entries) next.metadata.managedFields = entries;
          else delete next.metadata.managedFields;
          const options = { manager, now: index * 1000, ...(old ? { subresource } : {}) };
          next.metadata.managedFields = trackUpdate(old, next, POD, options);
          old = between(next);
          return encodeObject(next).toString();
        });
      };
      const known = run((object) => object);
      expect(known).toEqual(run((object) => structuredClone(object)));
      for (const text of known) {
        // As encoded from what was decoded: nothing is known of those sets
        expect(encodeObject(JSON.parse(text)).toString()).toBe(text);
      }
    }),
  );
});

test("a set is sorted once, and known by its text from then on", () => {
  const set = { "f:b": {}, "f:a": { "f:c": {}, ".": {} } };
  expect(knownText(set)).toBeUndefined();
  const stored = storedSet(set);
  expect(knownText(stored)).toBe('{"f:a":{".":{},"f:c":{}},"f:b":{}}');
  expect(storedSet(stored)).toBe(stored);
});
