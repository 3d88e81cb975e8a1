import { partsOfEntry } from "../../../shared/store/entry.ts";
import type { Revision } from "../../../shared/store/store.ts";
import type { ProjectionReader } from "../../../shared/store/view.ts";
import { storedResource } from "../context.ts";
import { candidates, type Selection, selects } from "../select.ts";
import { typeFor } from "../watch/hub.ts";
import { encodeFrame, type FrameTail, versionTail } from "./frame-tail.ts";

/**
 * What a watch tells before the changes that come while it lasts. It is of the moment at which it
 * was asked for, however long going through it takes.
 */
export interface Backlog {
  readonly length: number;
  /** Looks at one of them: its frame, unless the watch does not select it. */
  tail(index: number): FrameTail | undefined;
  /** The frame behind all of them. */
  readonly end: FrameTail | undefined;
}

/** What is there, and that this was all. */
export function presentState(projection: ProjectionReader, selection: Selection): Backlog {
  const entries = candidates(projection, selection);
  return {
    length: entries.length,
    tail: (index) => {
      const entry = entries[index];
      if (entry === undefined || !selects(selection, partsOfEntry(entry))) return undefined;
      return versionTail(entry, entry.revision, true);
    },
    end: encodeFrame({ type: "synced", revision: projection.revision }),
  };
}

/** What has changed above a revision. @throws CompactedError */
export function changesFrom(
  projection: ProjectionReader,
  selection: Selection,
  from: Revision,
): Backlog {
  const changes = projection.changesSince(from, storedResource(selection.table));
  return {
    length: changes.length,
    tail: (index) => {
      const change = changes[index];
      const type = change && typeFor(selection, change);
      if (change === undefined || type === undefined) return undefined;
      return versionTail(change.entry, change.revision, type !== "DELETED");
    },
    end: undefined,
  };
}
