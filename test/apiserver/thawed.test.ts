import fc from "fast-check";
import { expect, test } from "vitest";
import { thawed } from "../../services/apiserver/json.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { deepFreeze } from "../api/patch/cases.ts";
import { type Call, startCluster } from "./harness.ts";

const POD = { resource: "pods", namespace: "default", name: "web" } as const;

const manifest = {
  metadata: { name: "web", labels: { app: "web" }, annotations: { a: "1" } },
  spec: {
    containers: [
      { name: "a", image: "x", resources: { requests: { cpu: "1000m" } }, ports: [] },
      { name: "b", image: "y", env: [{ name: "E", value: "1" }] },
    ],
  },
};

const value = fc.constantFrom("1", "2", null);
const text = fc.constantFrom("x", "y", "");
const container = fc.record({ name: fc.constantFrom("a", "b", "c"), image: text });
const part = fc.record(
  {
    metadata: fc.record(
      {
        labels: fc.dictionary(fc.constantFrom("a", "b"), value, { maxKeys: 2 }),
        annotations: fc.dictionary(fc.constantFrom("a", "b"), value, { maxKeys: 2 }),
        finalizers: fc.constantFrom([], ["example.com/a"], null),
      },
      { requiredKeys: [] },
    ),
    spec: fc.record(
      {
        containers: fc.array(container, { maxLength: 3 }),
        activeDeadlineSeconds: fc.constantFrom(5, "5", null),
        nonsense: fc.constant(1),
      },
      { requiredKeys: [] },
    ),
    status: fc.record({ phase: fc.constantFrom("Running", "Failed") }),
  },
  { requiredKeys: [] },
);
const contentType = fc.constantFrom(
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
);
const subresource = fc.constantFrom(undefined, "status");
const patches = fc.array(fc.record({ body: part, contentType, subresource }), { maxLength: 6 });

test("a patch gives the same whether parts are shared with what is stored or copied", async () => {
  await fc.assert(
    fc.asyncProperty(patches, async (all) => {
      const answers: unknown[][] = [];
      for (const freeze of [true, false]) {
        const { call, projections } = await startCluster({ seed: 1, freeze });
        const created = await call({ ...POD, verb: "create", name: "", body: manifest });
        expect(created.code).toBe(201);
        const given: unknown[] = [];
        for (const { body, contentType, subresource } of all) {
          const patch: Call = { ...POD, verb: "patch", body, contentType };
          given.push(await call(subresource ? { ...patch, subresource } : patch));
        }
        answers.push([...given, await call({ ...POD, verb: "get" })]);
        for (const entry of projections.cluster.list("pods")) {
          expect(entry.object).toStrictEqual(JSON.parse(entry.bytes.toString()));
        }
      }
      expect(answers[0]).toEqual(answers[1]);
    }),
    { numRuns: 60 },
  );
});

test("a thawed object shares what is frozen, and only that", () => {
  const frozen = deepFreeze({ deep: [{ x: 1 }] });
  const loose = { deep: [{ x: 1 }], frozen };
  const metadata = deepFreeze({ name: "a", labels: { x: "1" } });
  const object = deepFreeze({ kind: "K", apiVersion: "v1", metadata }) as KubernetesObject;
  const given = { ...object, spec: frozen, status: loose };
  const copy = thawed(given);
  expect(copy).toEqual(given);
  expect(copy["spec"]).toBe(frozen);
  expect(copy["status"].frozen).toBe(frozen);
  expect(copy["status"].deep[0]).not.toBe(loose.deep[0]);
  expect(Object.isFrozen(copy.metadata)).toBe(false);
  expect(copy.metadata.labels).toBe(metadata.labels);
  expect(thawed(object)).toEqual(object);
  expect(Object.isFrozen(thawed(object))).toBe(false);
});
