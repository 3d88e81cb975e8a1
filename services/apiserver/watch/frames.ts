import { apiVersionOf } from "../../../shared/api/kinds.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import type { KindTable } from "../../../shared/api/schema.ts";
import type { Revision } from "../../../shared/store/store.ts";
import type { Change, Entry } from "../../../shared/store/view.ts";
import type { Form } from "../negotiate.ts";
import { entryBytes, partialMetadata, presentedEntry } from "../present.ts";
import { tableBookmark, tableRow } from "../table/index.ts";
import { type EventType, objectOf, type SelectedChange } from "./hub.ts";

const INITIAL_EVENTS_END = { "k8s.io/initial-events-end": "true" };

/** Encodes the frames of a watch: JSON objects, each followed by a newline. */
export class Frames {
  readonly #table: KindTable;
  readonly #form: Form;
  readonly #now: () => number;
  readonly #id: string;

  constructor(table: KindTable, form: Form, now: () => number) {
    this.#table = table;
    this.#form = form;
    this.#now = now;
    const include = form.type === "table" ? form.includeObject : "";
    this.#id = `${table.group}/${table.version} ${form.type} ${include}`;
  }

  /** A change; `first`: nothing was sent before, so a Table brings its columns. */
  event(selected: SelectedChange, first: boolean): Buffer {
    const columns = first && this.#form.type === "table";
    return selected.shared(columns ? `${this.#id} columns` : this.#id, () => {
      const { type, change } = selected;
      return this.#encode(type, this.#entryOf(type, change), columns);
    });
  }

  /** An entry of the initial state. */
  added(entry: Entry, first: boolean): Buffer {
    return this.#encode("ADDED", entry, first && this.#form.type === "table");
  }

  bookmark(revision: Revision, initialEventsEnd: boolean): Buffer {
    const metadata = {
      resourceVersion: String(revision),
      creationTimestamp: null,
      ...(initialEventsEnd ? { annotations: INITIAL_EVENTS_END } : {}),
    };
    if (this.#form.type === "table") return frame("BOOKMARK", tableBookmark(metadata));
    return frame("BOOKMARK", Buffer.from(JSON.stringify(this.#bookmarked(metadata))));
  }

  error(status: unknown): Buffer {
    return frame("ERROR", Buffer.from(JSON.stringify(status)));
  }

  #bookmarked(metadata: Record<string, unknown>): unknown {
    if (this.#form.type === "metadata") {
      return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata };
    }
    const { kind } = this.#table;
    return { kind, apiVersion: apiVersionOf(this.#table), metadata };
  }

  /** The entry with the object that the event carries. */
  #entryOf(type: EventType, change: Change): Entry {
    if (type !== "DELETED" || change.type === "DELETED") return change.entry;
    return withObject(change.entry, objectOf({ type, change }));
  }

  #encode(type: EventType, entry: Entry, columns: boolean): Buffer {
    const form = this.#form;
    if (form.type === "object") return frame(type, entryBytes(this.#table, entry));
    const presented = presentedEntry(this.#table, entry);
    if (form.type === "metadata") return frame(type, partialMetadata(presented.object));
    const { includeObject } = form;
    const row = { now: this.#now(), includeObject, noHeaders: !columns };
    return frame(type, tableRow(this.#table, presented, row));
  }
}

function withObject(entry: Entry, object: KubernetesObject): Entry {
  const { key, resource, namespace, name, revision, headers, time } = entry;
  const bytes = Buffer.from(JSON.stringify(object));
  return { key, resource, namespace, name, revision, headers, time, object, bytes };
}

const HEADS: Readonly<Record<string, Buffer>> = Object.fromEntries(
  ["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"].map((type) => [
    type,
    Buffer.from(`{"type":"${type}","object":`),
  ]),
);
const TAIL = Buffer.from("}\n");

function frame(type: string, ...object: readonly Uint8Array[]): Buffer {
  return Buffer.concat([HEADS[type] as Buffer, ...object, TAIL]);
}
