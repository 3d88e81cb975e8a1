import { describe, expect, test } from "vitest";
import { humanDuration } from "../../../services/apiserver/table/human-duration.ts";
import {
  type RowSource,
  tableBookmark,
  tableList,
  tableRow,
} from "../../../services/apiserver/table/index.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import type { KindTable } from "../../../shared/api/schema.ts";
import { casesOf, deepFreeze, tableOf } from "../patch/cases.ts";

const NOW = Date.UTC(2026, 10, 20, 12);

interface Case {
  readonly name: string;
  readonly kind: string;
  readonly object: { readonly metadata?: object };
  readonly cells: Readonly<Record<string, unknown>>;
  readonly conditions?: readonly object[];
}

interface Table {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: object;
  readonly columnDefinitions:
    | readonly { name: string; type: string; priority: number; format: string }[]
    | null;
  readonly rows: readonly { cells: unknown[]; object: unknown; conditions?: unknown }[];
}

function entryOf(table: KindTable, body: { readonly metadata?: object }, name = "x"): RowSource {
  const { metadata, ...rest } = body;
  const object = deepFreeze({
    kind: table.kind,
    apiVersion: table.group ? `${table.group}/${table.version}` : table.version,
    metadata: {
      resourceVersion: "7",
      name,
      creationTimestamp: "2026-11-20T11:55:00Z",
      ...metadata,
    },
    ...rest,
  } as KubernetesObject);
  return { object, bytes: Buffer.from(JSON.stringify(object)) };
}

function read(parts: readonly Uint8Array[]): Table {
  return JSON.parse(Buffer.concat(parts).toString()) as Table;
}

describe("cells", () => {
  for (const { name, kind, object, cells, conditions } of casesOf<Case>(
    import.meta.url,
    "cells.yaml",
  )) {
    test(name, () => {
      const table = tableOf(kind);
      const options = { now: NOW, includeObject: "None", resourceVersion: "7" } as const;
      const result = read(tableList(table, [entryOf(table, object)], options));
      const columns = (result.columnDefinitions ?? []).map((column) => column.name);
      const row = result.rows[0];
      expect(row?.cells).toHaveLength(columns.length);
      const shown = Object.fromEntries(columns.map((column, index) => [column, row?.cells[index]]));
      expect(shown).toMatchObject(cells);
      if (conditions) expect(row?.conditions ?? []).toEqual(conditions);
    });
  }
});

describe("tables", () => {
  const table = tableOf("ConfigMap");
  const tricky = {
    metadata: { annotations: { a: 'b"}\\', "c{": "\\\\" }, labels: {} },
    data: { m: "}" },
  };

  test("a list", () => {
    const entries = [entryOf(table, { ...tricky }, "a"), entryOf(table, {}, "b")];
    const result = read(
      tableList(table, entries, {
        now: NOW,
        includeObject: "Metadata",
        resourceVersion: "9",
        continue: "token",
        remainingItemCount: 3,
      }),
    );
    expect(result).toMatchObject({
      kind: "Table",
      apiVersion: "meta.k8s.io/v1",
      metadata: { resourceVersion: "9", continue: "token", remainingItemCount: 3 },
    });
    expect(
      result.columnDefinitions?.map(({ name, type, format, priority }) => [
        name,
        type,
        format,
        priority,
      ]),
    ).toEqual([
      ["Name", "string", "name", 0],
      ["Data", "integer", "", 0],
      ["Age", "string", "", 0],
    ]);
    expect(result.rows.map(({ object }) => object)).toEqual(
      entries.map(({ object }) => ({
        kind: "PartialObjectMetadata",
        apiVersion: "meta.k8s.io/v1",
        metadata: object.metadata,
      })),
    );
  });

  test("an empty list", () => {
    const options = { now: NOW, includeObject: "Metadata", resourceVersion: "9" } as const;
    const result = read(tableList(table, [], options));
    expect(result.metadata).toEqual({ resourceVersion: "9" });
    expect(result.rows).toEqual([]);
    expect(result.columnDefinitions).toHaveLength(3);
  });

  test("whole objects, or none", () => {
    const entry = entryOf(table, tricky);
    const options = { now: NOW, resourceVersion: "9" };
    const whole = read(tableList(table, [entry], { ...options, includeObject: "Object" }));
    expect(whole.rows[0]?.object).toEqual(entry.object);
    const none = read(tableList(table, [entry], { ...options, includeObject: "None" }));
    expect(none.rows[0]?.object).toBeNull();
  });

  test("one row, for a get and for watch events", () => {
    const entry = entryOf(table, tricky);
    const first = read([tableRow(table, entry, { now: NOW, includeObject: "Metadata" })]);
    expect(first.metadata).toEqual({ resourceVersion: "7" });
    expect(first.columnDefinitions).toHaveLength(3);
    const options = { now: NOW, includeObject: "Metadata", noHeaders: true } as const;
    const later = read([tableRow(table, entry, options)]);
    expect(later.columnDefinitions).toBeNull();
    expect(later.rows).toEqual(first.rows);
  });

  test("a bookmark has no rows", () => {
    expect(read([tableBookmark({ resourceVersion: "12" })])).toEqual({
      kind: "Table",
      apiVersion: "meta.k8s.io/v1",
      metadata: { resourceVersion: "12" },
      columnDefinitions: null,
      rows: [],
    });
  });

  test("long lists come in few parts", () => {
    const entries = Array.from({ length: 3000 }, (_, index) =>
      entryOf(table, tricky, `cm-${index}`),
    );
    const options = { now: NOW, includeObject: "Metadata", resourceVersion: "9" } as const;
    const parts = tableList(table, entries, options);
    expect(parts.length).toBeLessThan(20);
    expect(read(parts).rows.map(({ cells }) => cells[0])).toEqual(
      entries.map(({ object }) => object.metadata.name),
    );
  });
});

describe("ages", () => {
  const SECOND = 1000;
  const MINUTE = 60 * SECOND;
  const HOUR = 60 * MINUTE;
  const DAY = 24 * HOUR;
  const YEAR = 365 * DAY;
  const AGES: readonly [milliseconds: number, shown: string][] = [
    [-3 * SECOND, "<invalid>"],
    [-1900, "0s"],
    [0, "0s"],
    [119 * SECOND, "119s"],
    [120 * SECOND, "2m"],
    [121 * SECOND, "2m1s"],
    [10 * MINUTE - 1, "9m59s"],
    [10 * MINUTE + 1, "10m"],
    [179 * MINUTE, "179m"],
    [180 * MINUTE, "3h"],
    [3 * HOUR + 5 * MINUTE, "3h5m"],
    [8 * HOUR, "8h"],
    [47 * HOUR, "47h"],
    [48 * HOUR, "2d"],
    [7 * DAY + 23 * HOUR, "7d23h"],
    [8 * DAY, "8d"],
    [2 * YEAR - DAY, "729d"],
    [2 * YEAR, "2y"],
    [3 * YEAR + 12 * DAY, "3y12d"],
    [8 * YEAR + 12 * DAY, "8y"],
  ];
  for (const [milliseconds, shown] of AGES) {
    test(`${milliseconds} ms`, () => expect(humanDuration(milliseconds)).toBe(shown));
  }
});
