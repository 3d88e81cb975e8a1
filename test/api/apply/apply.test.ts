import { describe, expect, test } from "vitest";
import type { KubernetesObject, ManagedFieldsEntry } from "../../../shared/api/object.ts";
import { applyConfiguration, trackUpdate } from "../../../shared/api/patch/apply.ts";
import { type FieldSet, pathsOf } from "../../../shared/api/patch/field-set.ts";
import { printPath } from "../../../shared/api/patch/path-element.ts";
import type { KindTable } from "../../../shared/api/schema.ts";
import { casesOf, deepFreeze, type ExpectedError, expectFailure, tableOf } from "../patch/cases.ts";

interface Step {
  readonly apply?: object;
  readonly update?: object;
  readonly untracked?: object;
  readonly manager?: string;
  readonly force?: boolean;
  readonly subresource?: string;
  readonly error?: ExpectedError;
  /** The entries come back as they were. */
  readonly same?: boolean;
}

interface Case {
  readonly name: string;
  readonly kind: string;
  readonly steps: readonly Step[];
  readonly object?: object;
  readonly owners?: Readonly<Record<string, readonly string[]>>;
}

function complete(body: object, table: KindTable): KubernetesObject {
  const { metadata, ...rest } = body as { metadata?: object };
  const apiVersion = table.group ? `${table.group}/${table.version}` : table.version;
  const object = {
    apiVersion,
    kind: table.kind,
    metadata: { name: "x", namespace: "default", ...metadata },
    ...rest,
  };
  return deepFreeze(object);
}

function withEntries(object: KubernetesObject, entries: ManagedFieldsEntry[]): KubernetesObject {
  const { managedFields: _, ...metadata } = object.metadata;
  return {
    ...object,
    metadata: { ...metadata, ...(entries.length ? { managedFields: entries } : {}) },
  };
}

function run(
  live: KubernetesObject | undefined,
  step: Step,
  table: KindTable,
  now: number,
): KubernetesObject | undefined {
  const { manager = "m", force = false, subresource = "" } = step;
  if (step.untracked) return complete(step.untracked, table);
  if (step.update) {
    const next = complete(step.update, table);
    return withEntries(next, trackUpdate(live, next, table, { manager, subresource, now }));
  }
  const applied = complete(step.apply ?? {}, table);
  const options = { manager, force, subresource, now };
  if (step.error) {
    expectFailure(() => applyConfiguration(live, applied, table, options), step.error);
    return live;
  }
  return applyConfiguration(live, applied, table, options).object;
}

function ownersOf(object: KubernetesObject): Record<string, string[]> {
  return Object.fromEntries(
    (object.metadata.managedFields ?? []).map((entry) => [
      `${entry.manager}${entry.subresource ? `/${entry.subresource}` : ""} ${entry.operation}`,
      pathsOf(entry.fieldsV1 as FieldSet).map(printPath),
    ]),
  );
}

describe("server-side apply and managed fields", () => {
  for (const { name, kind, steps, object, owners } of casesOf<Case>(
    import.meta.url,
    "apply.yaml",
  )) {
    test(name, () => {
      const table = tableOf(kind);
      let live: KubernetesObject | undefined;
      for (const [index, step] of steps.entries()) {
        const before = live?.metadata.managedFields;
        live = run(deepFreeze(live), step, table, index * 1000);
        if (step.same) expect(live?.metadata.managedFields).toEqual(before);
      }
      if (object) {
        const expected = complete(object, table);
        expect(withEntries(live as KubernetesObject, [])).toEqual(expected);
      }
      if (owners) expect(ownersOf(live as KubernetesObject)).toEqual(owners);
    });
  }
});
