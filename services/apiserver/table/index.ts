import type { KubernetesObject } from "../../../shared/api/object.ts";
import type { KindTable } from "../../../shared/api/schema.ts";
import type { Entry } from "../../../shared/store/view.ts";
import { Chunks } from "./chunks.ts";
import type { Printer } from "./column.ts";
import { metadataBytes } from "./metadata-bytes.ts";
import { printerOf } from "./printers.ts";

/** The media type parameters by which a client asks for a Table. */
export const TABLE_CONTENT_TYPE = "application/json";

/** What a row carries beside its cells: the whole object, its metadata (default), or nothing. */
export type IncludeObject = "None" | "Metadata" | "Object";

export interface RowOptions {
  /** Milliseconds since the epoch, for ages. */
  readonly now: number;
  readonly includeObject: IncludeObject;
  /** Leaves the columns out, as in all events of a watch but the first. */
  readonly noHeaders?: boolean;
}

export interface TableOptions extends RowOptions {
  readonly resourceVersion: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

/** The part of an Entry that a row is made of. */
export type RowSource = Pick<Entry, "bytes" | "object">;

const ROW_OBJECT = '{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":';

/** A list of objects as a Table (meta.k8s.io/v1), in parts to be written one after the other. */
export function tableList(
  table: KindTable,
  entries: readonly RowSource[],
  options: TableOptions,
): Uint8Array[] {
  const printer = printerOf(table);
  const chunks = new Chunks();
  const metadata = {
    resourceVersion: options.resourceVersion,
    continue: options.continue || undefined,
    remainingItemCount: options.remainingItemCount || undefined,
  };
  chunks.text(head(printer, JSON.stringify(metadata), options.noHeaders));
  for (const [index, entry] of entries.entries()) {
    if (index > 0) chunks.text(",");
    addRow(chunks, printer, entry, options);
  }
  chunks.text("]}\n");
  return chunks.end();
}

/** One object as a Table of one row: the answer to a get, and the object of a watch event. */
export function tableRow(table: KindTable, entry: RowSource, options: RowOptions): Uint8Array {
  const printer = printerOf(table);
  const chunks = new Chunks();
  const { resourceVersion } = entry.object.metadata;
  chunks.text(head(printer, JSON.stringify({ resourceVersion }), options.noHeaders));
  addRow(chunks, printer, entry, options);
  chunks.text("]}");
  return Buffer.concat(chunks.end());
}

/** The Table of a bookmark: no rows, only how far the watch has come. */
export function tableBookmark(metadata: KubernetesObject["metadata"] | object): Uint8Array {
  return Buffer.from(
    `{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":${JSON.stringify(metadata)},` +
      '"columnDefinitions":null,"rows":[]}',
  );
}

const COLUMNS = new WeakMap<Printer, string>();

function head(printer: Printer, metadata: string, noHeaders = false): string {
  let columns = COLUMNS.get(printer);
  if (columns === undefined) {
    columns = JSON.stringify(printer.columns);
    COLUMNS.set(printer, columns);
  }
  return (
    `{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":${metadata},` +
    `"columnDefinitions":${noHeaders ? null : columns},"rows":[`
  );
}

function addRow(chunks: Chunks, printer: Printer, entry: RowSource, options: RowOptions): void {
  const { object } = entry;
  const cells = JSON.stringify(printer.cells(object, options.now));
  const conditions = printer.conditions?.(object);
  const before = conditions ? `,"conditions":${JSON.stringify(conditions)}` : "";
  chunks.text(`{"cells":${cells}${before},"object":`);
  if (options.includeObject === "None") {
    chunks.text("null}");
  } else if (options.includeObject === "Object") {
    chunks.bytes(entry.bytes);
    chunks.text("}");
  } else {
    chunks.text(ROW_OBJECT);
    chunks.bytes(metadataBytes(entry.bytes));
    chunks.text("}}");
  }
}
