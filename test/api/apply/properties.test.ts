import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import { applyConfiguration, trackUpdate } from "../../../shared/api/patch/apply.ts";
import { compareObjects } from "../../../shared/api/patch/compare.ts";
import {
  difference,
  EMPTY_SET,
  type FieldSet,
  intersection,
  pathsOf,
  union,
} from "../../../shared/api/patch/field-set.ts";
import { fieldSetOf } from "../../../shared/api/patch/typed.ts";
import { deepFreeze, tableOf } from "../patch/cases.ts";

const table = tableOf("Pod");
const value = fc.constantFrom("1", "2");
const labels = fc.dictionary(fc.constantFrom("a", "b", "c"), value, { minKeys: 1, maxKeys: 3 });
const environment = fc.uniqueArray(fc.record({ name: fc.constantFrom("E", "F"), value }), {
  selector: ({ name }) => name,
  minLength: 1,
  maxLength: 2,
});
const container = fc.record(
  {
    name: fc.constantFrom("a", "b", "c"),
    image: fc.constantFrom("x", "y"),
    args: fc.array(value, { minLength: 1, maxLength: 2 }),
    env: environment,
  },
  { requiredKeys: ["name"] },
);
const containers = fc.uniqueArray(container, {
  selector: ({ name }) => name,
  minLength: 1,
  maxLength: 3,
});
const configuration = fc
  .record(
    { labels, containers, hostNetwork: fc.boolean(), nodeSelector: labels },
    { requiredKeys: [] },
  )
  .map(({ labels: own, ...spec }) =>
    deepFreeze({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "x", namespace: "d", ...(own ? { labels: own } : {}) },
      ...(Object.keys(spec).length > 0 ? { spec } : {}),
    } as KubernetesObject),
  );
const EMPTY = { apiVersion: "v1", kind: "Pod", metadata: { name: "x", namespace: "d" } };

function apply(
  live: KubernetesObject | undefined,
  applied: KubernetesObject,
  manager: string,
  now = 0,
): KubernetesObject {
  const options = { manager, force: true, now };
  return applyConfiguration(live, applied, table, options).object;
}

function bare(object: KubernetesObject): object {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function ownedBy(object: KubernetesObject, manager: string): FieldSet {
  const entry = object.metadata.managedFields?.find((found) => found.manager === manager);
  return (entry?.fieldsV1 ?? EMPTY_SET) as FieldSet;
}

describe("properties of apply", () => {
  test("the first apply gives what was applied", () => {
    fc.assert(
      fc.property(configuration, (applied) => {
        expect(bare(apply(undefined, applied, "a"))).toEqual(applied);
      }),
    );
  });

  test("a second time nothing changes, not even a time", () => {
    fc.assert(
      fc.property(configuration, configuration, (first, second) => {
        const live = apply(apply(undefined, first, "a"), second, "b");
        expect(apply(live, second, "b", 5000)).toEqual(live);
      }),
    );
  });

  test("what one applies and gives up again is as if it had not been", () => {
    fc.assert(
      fc.property(configuration, (applied) => {
        const live = apply(undefined, applied, "a");
        expect(bare(apply(live, EMPTY, "a"))).toEqual(EMPTY);
        expect(apply(live, EMPTY, "a").metadata.managedFields).toBeUndefined();
      }),
    );
  });

  test("with force, everything applied is in the object and owned", () => {
    fc.assert(
      fc.property(configuration, configuration, (first, second) => {
        const live = apply(apply(undefined, first, "a"), second, "b");
        const { changed } = compareObjects(live, { ...second }, table.schema);
        expect(pathsOf(intersection(changed, fieldSetOf(second, table.schema)))).toEqual([]);
        const wanted = fieldSetOf(second, table.schema);
        const missing = pathsOf(difference(wanted, ownedBy(live, "b")));
        expect(missing.filter((path) => path[0] === "f:spec")).toEqual([]);
      }),
    );
  });

  test("no field has two values: owners of one field agree", () => {
    fc.assert(
      fc.property(configuration, configuration, (first, second) => {
        const live = apply(apply(undefined, first, "a"), second, "b");
        for (const applied of [first, second]) {
          const manager = applied === first ? "a" : "b";
          const { changed } = compareObjects(live, { ...applied }, table.schema);
          const wrong = intersection(changed, ownedBy(live, manager));
          if (first !== second) expect(pathsOf(wrong)).toEqual([]);
        }
      }),
    );
  });

  test("an update of everything is told apart from what was", () => {
    fc.assert(
      fc.property(configuration, configuration, (before, after) => {
        const created = trackUpdate(undefined, before, table, { manager: "u", now: 0 });
        // An object without any field that is owned is not tracked until something applies to it.
        fc.pre(created.length > 0);
        const live = { ...before, metadata: { ...before.metadata, managedFields: created } };
        const entries = trackUpdate(deepFreeze(live), after, table, { manager: "v", now: 1000 });
        const owned = entries.map((entry) => entry.fieldsV1 as FieldSet);
        const all = owned.reduce(union, EMPTY_SET);
        const expected = trackUpdate(undefined, after, table, { manager: "w", now: 0 });
        const fields = (expected[0]?.fieldsV1 ?? EMPTY_SET) as FieldSet;
        const leaves = (set: FieldSet) => new Set(pathsOf(set).map((path) => path.join("\n")));
        for (const path of leaves(fields)) expect(leaves(all)).toContain(path);
      }),
    );
  });
});

describe("sets of fields", () => {
  const set = configuration.map((object) => fieldSetOf(object, table.schema));
  const paths = (of: FieldSet) => pathsOf(of).map((path) => path.join("\n"));

  test("union, difference and intersection are those of the paths", () => {
    fc.assert(
      fc.property(set, set, (left, right) => {
        const first = new Set(paths(left));
        const second = new Set(paths(right));
        const sorted = (of: Iterable<string>) => [...of].sort();
        expect(sorted(paths(union(left, right)))).toEqual(sorted(new Set([...first, ...second])));
        expect(sorted(paths(difference(left, right)))).toEqual(
          sorted([...first].filter((path) => !second.has(path))),
        );
        expect(sorted(paths(intersection(left, right)))).toEqual(
          sorted([...first].filter((path) => second.has(path))),
        );
      }),
    );
  });
});
