import { describe, expect, test } from "vitest";
import { decodeObject } from "../../shared/api/decode.ts";
import { applyDefaults } from "../../shared/api/defaults.ts";
import { fieldErrorMessage, invalid } from "../../shared/api/errors.ts";
import { kindOfObject } from "../../shared/api/kinds.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { KindTable } from "../../shared/api/schema.ts";
import { validateCreate, validateUpdate } from "../../shared/api/validation/index.ts";
import { tableOf } from "./cases.ts";

type Changes = Readonly<Record<string, unknown>>;

interface Case {
  readonly base: string;
  readonly set?: Changes;
  readonly old?: Changes;
  readonly subresource?: string;
  readonly errors?: readonly string[];
}

interface Cases {
  readonly bases: Readonly<Record<string, KubernetesObject>>;
  readonly create: readonly Case[];
  readonly update: readonly Case[];
}

const cases = tableOf<Cases>("validation.yaml");

/** Sets values by dotted path; null takes them away. */
function changed(base: KubernetesObject, changes: Changes = {}): KubernetesObject {
  const object = structuredClone(base);
  for (const [path, value] of Object.entries(changes)) {
    const steps = path.split(".");
    const last = steps.pop() as string;
    let at = object as Record<string, unknown>;
    for (const step of steps) {
      at[step] ??= {};
      at = at[step] as Record<string, unknown>;
    }
    if (value === null) delete at[last];
    else at[last] = value;
  }
  return object;
}

/** As the apiserver has it before it validates. */
function prepared(given: KubernetesObject): { table: KindTable; object: KubernetesObject } {
  const table = kindOfObject(given) as KindTable;
  const { object } = decodeObject(given, table, "Strict");
  applyDefaults(table, object);
  return { table, object };
}

function baseOf({ base }: Case): KubernetesObject {
  const object = cases.bases[base];
  if (!object) throw new Error(`no base ${base}`);
  return object;
}

const titled = (list: readonly Case[]) =>
  list.map((one) => [`${one.base} ${JSON.stringify(one.set ?? one.old ?? "")}`, one] as const);

describe("new objects", () => {
  test.each(titled(cases.create))("%s", (_, given) => {
    const { table, object } = prepared(changed(baseOf(given), given.set));
    const errors = validateCreate(table, object).map(fieldErrorMessage);
    expect(errors).toEqual(given.errors ?? []);
  });

  test("annotations are limited in size", () => {
    const annotations = { a: "x".repeat(256 * 1024) };
    const pod = changed(cases.bases["pod"] as KubernetesObject, {
      "metadata.annotations": annotations,
    });
    const { table, object } = prepared(pod);
    expect(validateCreate(table, object).map(fieldErrorMessage)).toEqual([
      "metadata.annotations: Too long: may not be more than 262144 bytes",
    ]);
  });

  test("the answer is Kubernetes' Status", () => {
    const pod = changed(cases.bases["pod"] as KubernetesObject, {
      "spec.containers.0": { image: "x" },
      "spec.restartPolicy": "No",
    });
    const { table, object } = prepared(pod);
    const { body } = invalid(table, "web", validateCreate(table, object));
    expect(body).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      reason: "Invalid",
      code: 422,
      message:
        'Pod "web" is invalid: [spec.containers[0].name: Required value, spec.restartPolicy: ' +
        'Unsupported value: "No": supported values: "Always", "OnFailure", "Never"]',
      details: {
        name: "web",
        kind: "Pod",
        causes: [
          {
            reason: "FieldValueRequired",
            message: "Required value",
            field: "spec.containers[0].name",
          },
          {
            reason: "FieldValueNotSupported",
            message: 'Unsupported value: "No": supported values: "Always", "OnFailure", "Never"',
            field: "spec.restartPolicy",
          },
        ],
      },
    });
  });
});

describe("updates", () => {
  test.each(titled(cases.update))("%s", (_, given) => {
    const known = { "metadata.uid": "u", "metadata.resourceVersion": "1" };
    const base = changed(baseOf(given), known);
    const { object: old } = prepared(changed(base, given.old));
    const { table, object } = prepared(changed(base, given.set));
    const errors = validateUpdate(table, object, old, given.subresource ?? "");
    expect(errors.map(fieldErrorMessage)).toEqual(given.errors ?? []);
  });
});
