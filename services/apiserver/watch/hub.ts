import type { Logger } from "../../../shared/actor/dependencies.ts";
import type { GroupResource } from "../../../shared/api/key.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import type { Parts } from "../../../shared/api/parts.ts";
import type { Runtime } from "../../../shared/runtime/runtime.ts";
import { partsOfEntry } from "../../../shared/store/entry.ts";
import type { Change, ProjectionReader } from "../../../shared/store/view.ts";
import { storedResource } from "../context.ts";
import { type Selection, selects } from "../select.ts";

export type EventType = "ADDED" | "MODIFIED" | "DELETED";

/**
 * A change as the watchers of one selection see it. An object that enters the selection is ADDED;
 * one that leaves it is DELETED, in its state before, with the revision of the change.
 */
export interface SelectedChange {
  readonly type: EventType;
  readonly change: Change;
  /** Encodes once per change, type and form; everybody gets the same Buffer. */
  shared(form: string, encode: () => Buffer): Buffer;
}

export type ChangeListener = (selected: SelectedChange) => void;

/**
 * Fans the changes of one log out to its watches: one subscription per resource, one evaluation per
 * change and distinct selection, one encoding per change and form (DESIGN D16).
 */
export class WatchHub {
  readonly projection: ProjectionReader;
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly #resources = new Map<GroupResource, ResourceWatches>();

  constructor(projection: ProjectionReader, runtime: Runtime, logger: Logger) {
    this.projection = projection;
    this.runtime = runtime;
    this.logger = logger;
  }

  /** Calls the listener for each selected change from now on, in log order. */
  subscribe(selection: Selection, listener: ChangeListener): () => void {
    const resource = storedResource(selection.table);
    let watches = this.#resources.get(resource);
    if (watches === undefined) {
      watches = new ResourceWatches();
      this.#resources.set(resource, watches);
      const { changed } = watches;
      watches.unsubscribe = this.projection.subscribe(resource, changed);
    }
    const leave = watches.add(selection, listener);
    const of = watches;
    return () => {
      leave();
      if (!of.empty || this.#resources.get(resource) !== of) return;
      of.unsubscribe();
      this.#resources.delete(resource);
    };
  }
}

interface Group {
  readonly id: string;
  readonly selection: Selection;
  readonly listeners: Set<ChangeListener>;
}

/** A field by which groups are found without asking each: most selective first. */
interface Index {
  readonly field: string;
  readonly path: readonly [string, string];
}

const INDEXES: readonly Index[] = [
  { field: "metadata.name", path: ["metadata", "name"] },
  { field: "spec.nodeName", path: ["spec", "nodeName"] },
];

class ResourceWatches {
  unsubscribe: () => void = () => undefined;
  readonly #groups = new Map<string, Group>();
  /** Per index and value; groups that no index finds are under "". */
  readonly #found = new Map<string, Map<string, Set<Group>>>();

  get empty(): boolean {
    return this.#groups.size === 0;
  }

  add(selection: Selection, listener: ChangeListener): () => void {
    const id = idOf(selection);
    let group = this.#groups.get(id);
    if (group === undefined) {
      group = { id, selection, listeners: new Set() };
      this.#groups.set(id, group);
      this.#place(group).add(group);
    }
    group.listeners.add(listener);
    const joined = group;
    return () => {
      joined.listeners.delete(listener);
      if (joined.listeners.size > 0 || this.#groups.get(id) !== joined) return;
      this.#groups.delete(id);
      this.#place(joined).delete(joined);
    };
  }

  readonly changed = (change: Change): void => {
    const frames = new Map<string, Buffer>();
    const sides = sidesOf(change);
    for (const group of this.#candidates(change, sides)) {
      const type = typeFor(group.selection, change, sides);
      if (type === undefined) continue;
      const shared = (form: string, encode: () => Buffer): Buffer => {
        const id = `${type} ${form}`;
        let frame = frames.get(id);
        if (frame === undefined) {
          frame = encode();
          frames.set(id, frame);
        }
        return frame;
      };
      const selected: SelectedChange = { type, change, shared };
      for (const listener of [...group.listeners]) listener(selected);
    }
  };

  #place({ selection }: Group): Set<Group> {
    const index = INDEXES.find(({ field }) => selection.fields.exact(field) !== undefined);
    const field = index?.field ?? "metadata.namespace";
    const value = index ? (selection.fields.exact(field) as string) : selection.namespace;
    let values = this.#found.get(field);
    if (values === undefined) {
      values = new Map();
      this.#found.set(field, values);
    }
    let groups = values.get(value);
    if (groups === undefined) {
      groups = new Set();
      values.set(value, groups);
    }
    return groups;
  }

  *#candidates({ entry }: Change, { now: next, before: old }: Sides): Iterable<Group> {
    for (const { field, path } of INDEXES) {
      const values = this.#found.get(field);
      if (values === undefined) continue;
      const now = textAt(next, path);
      yield* values.get(now) ?? [];
      const before = old ? textAt(old, path) : now;
      if (before !== now) yield* values.get(before) ?? [];
    }
    const namespaces = this.#found.get("metadata.namespace");
    yield* namespaces?.get("") ?? [];
    if (entry.namespace) yield* namespaces?.get(entry.namespace) ?? [];
  }
}

function idOf({ table, namespace, labels, fields }: Selection): string {
  return [table.group, table.version, namespace, labels.toString(), fields.toString()].join("\n");
}

/** The objects after and before a change, as far as selections look at them. */
interface Sides {
  readonly now: Parts;
  readonly before: Parts | undefined;
}

function sidesOf({ entry, old }: Change): Sides {
  const before = old && new SeenParts(partsOfEntry(old));
  return { now: new SeenParts(partsOfEntry(entry)), before };
}

/** Looks for each part once, however many selections ask for it. */
class SeenParts implements Parts {
  readonly #of: Parts;
  #seen: Map<string, unknown> | undefined;

  constructor(of: Parts) {
    this.#of = of;
  }

  part(name: string, member = ""): unknown {
    this.#seen ??= new Map();
    const id = `${name}.${member}`;
    if (this.#seen.has(id)) return this.#seen.get(id);
    const value = this.#of.part(name, member || undefined);
    this.#seen.set(id, value);
    return value;
  }
}

function textAt(stored: Parts, path: readonly [string, string]): string {
  const text = stored.part(...path);
  return typeof text === "string" ? text : "";
}

/** What the change is to the selection; undefined when it does not concern it. */
export function typeFor(
  selection: Selection,
  change: Change,
  sides?: Sides,
): EventType | undefined {
  const { namespace, plain } = selection;
  if (namespace !== "" && change.entry.namespace !== namespace) return undefined;
  if (plain) return change.type;
  const { now, before: old } = sides ?? sidesOf(change);
  const before = old !== undefined && selects(selection, old);
  if (change.type === "DELETED") return before ? "DELETED" : undefined;
  if (selects(selection, now)) return before ? "MODIFIED" : "ADDED";
  return before ? "DELETED" : undefined;
}

/** The object that an event carries. */
export function objectOf({
  type,
  change,
}: Pick<SelectedChange, "type" | "change">): KubernetesObject {
  if (type !== "DELETED" || change.type === "DELETED" || !change.old) return change.entry.object;
  const { object } = change.old;
  const resourceVersion = String(change.revision);
  return { ...object, metadata: { ...object.metadata, resourceVersion } };
}
