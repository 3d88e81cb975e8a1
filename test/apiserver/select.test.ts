import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { selectionOf, selects } from "../../services/apiserver/select.ts";
import { encodeObject } from "../../shared/api/encode.ts";
import { KINDS } from "../../shared/api/kinds.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { KindTable } from "../../shared/api/schema.ts";
import { DecodedObjects } from "../../shared/store/decoded.ts";
import { ObjectEntry, partsOfEntry } from "../../shared/store/entry.ts";
import { Slabs } from "../../shared/store/slabs.ts";
import type { Entry } from "../../shared/store/view.ts";
import { HEADERS } from "../store/harness.ts";

function entryOf(object: unknown): ObjectEntry {
  const value = encodeObject(object as KubernetesObject);
  const version = { key: "pods/a/b", revision: 7, value, headers: HEADERS, time: 0, more: false };
  const decoded = new DecodedObjects({ freeze: true, bytesMax: 1e6 });
  return ObjectEntry.of(version, undefined, { decoded, slabs: new Slabs() });
}

/** What a field of the object is to a selector, by a walk through all of it. */
function fieldOf(object: unknown, path: string, absent: string): string {
  let value = object;
  for (const step of path.split(".")) {
    value = (value as Record<string, unknown> | null | undefined)?.[step];
  }
  if (value === undefined || value === null) return absent;
  return typeof value === "object" ? "" : String(value);
}

const STORED: Readonly<Record<string, string>> = {
  reportingController: "reportingComponent",
};

/** The path of the stored object behind a field. */
function storedPath(table: KindTable, field: string): string {
  if (!table.storedAs) return field;
  return STORED[field] ?? field.replace("regarding.", "involvedObject.");
}

const ABSENT: Readonly<Record<string, string>> = {
  "spec.hostNetwork": "false",
  "spec.unschedulable": "false",
};

/** Fields of every kind, and those that all kinds have. */
const FIELDS = KINDS.filter(({ log }) => log !== "none").flatMap((table) => {
  const names = ["metadata.name", ...(table.namespaced ? ["metadata.namespace"] : [])];
  const fields = [...names, ...table.fieldSelectors].filter((field) => field !== "source");
  return fields.map((field) => ({
    name: `${table.plural}.${table.group}: ${field}`,
    table,
    field,
  }));
});

const word = fc.constantFrom("a", "b", "", 'q"\\"{', "ä€", "spec", "true", "1");
const value = fc.oneof(word, word, fc.boolean(), fc.integer(), fc.constant(null), fc.jsonValue());

/** An object that has something at the path, unless it has not, among much else. */
function objectWith(path: string): fc.Arbitrary<unknown> {
  const [name = "", member] = path.split(".");
  const around = fc.dictionary(fc.constantFrom("x", "spec", "phase", 'f:"}', "conditions"), value);
  const inner = member
    ? fc.tuple(around, fc.option(value)).map(([others, it]) => ({
        ...others,
        ...(it === null ? {} : { [member]: it }),
      }))
    : value;
  const metadata = { name: "n", namespace: "a", labels: { app: "web" } };
  return fc.tuple(around, inner, around).map(([before, it, after]) => ({
    kind: "K",
    apiVersion: "v1",
    ...before,
    ...after,
    [name]: it,
    metadata: name === "metadata" ? { ...metadata, ...(it as object) } : metadata,
  }));
}

describe("an object is selected by parts of its bytes as by its fields", () => {
  test.each(FIELDS)("$name", ({ table, field }) => {
    const path = storedPath(table, field);
    const absent = ABSENT[field] ?? "";
    fc.assert(
      fc.property(objectWith(path), word, (object, other) => {
        const entry = entryOf(object);
        const { object: decoded } = entryOf(object);
        const is = fieldOf(decoded, path, absent);
        for (const wanted of [is, other]) {
          if (/[,=!]/.test(wanted)) continue;
          const equal = selectionOf(table, "", "", `${field}=${wanted}`);
          const unequal = selectionOf(table, "", "", `${field}!=${wanted}`);
          expect(selects(equal, partsOfEntry(entry))).toBe(is === wanted);
          expect(selects(unequal, partsOfEntry(entry))).toBe(is !== wanted);
        }
      }),
      { numRuns: 50 },
    );
  });
});

const pods = KINDS.find(({ plural }) => plural === "pods") as KindTable;
const events = KINDS.find(({ plural, group }) => plural === "events" && group === "") as KindTable;

describe("by parts of the bytes, and by the object once it is decoded", () => {
  test.each([
    [pods, "app=web", "", true],
    [pods, "app", "spec.nodeName=", true],
    [pods, "!app", "", false],
    [pods, "app in (db)", "", false],
    [pods, "tier notin (back)", "status.phase!=Failed", true],
    [pods, "app=web", "metadata.name=n,spec.host=", true],
    [pods, "", "spec.hostNetwork=false", true],
    [events, "", "source=kubelet", true],
    [events, "app=web", "source=scheduler", false],
  ])("%o %s %s: %s", (table, labels, fields, expected) => {
    const metadata = { name: "n", namespace: "a", labels: { app: "web" } };
    const object = { kind: "Pod", apiVersion: "v1", metadata, reportingComponent: "kubelet" };
    const selection = selectionOf(table, "", labels, fields);
    const entry = entryOf({ ...object, source: {}, status: { phase: "Running" } });
    expect(selects(selection, partsOfEntry(entry))).toBe(expected);
    expect(entry.object.metadata.name).toBe("n");
    expect(selects(selection, partsOfEntry(entry))).toBe(expected);
    const other = { ...entry, object: entry.object } as unknown as Entry;
    expect(selects(selection, partsOfEntry(other))).toBe(expected);
  });
});

test("nothing is decoded for a selection", () => {
  const entry = entryOf({ kind: "Pod", apiVersion: "v1", metadata: { name: "n" } });
  entry.decode = () => {
    throw new Error("decoded");
  };
  const selection = selectionOf(pods, "", "app!=web", "spec.nodeName=,status.phase!=Failed");
  expect(selects(selection, partsOfEntry(entry))).toBe(true);
});
