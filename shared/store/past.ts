import type { GroupResource } from "../api/key.ts";
import { parseKey } from "../api/key.ts";
import { byKey } from "./sorted.ts";
import type { Key, Revision } from "./store.ts";
import type { Change, Entry, View } from "./view.ts";

/** The state at an earlier revision: the present one with the changes since then taken back. */
export class PastView implements View {
  readonly revision: Revision;
  readonly #present: View;
  readonly #changesOf: (resource: GroupResource) => readonly Change[];

  /** `changesOf`: the changes since the revision, ascending; throws when some were dropped. */
  constructor(
    revision: Revision,
    present: View,
    changesOf: (resource: GroupResource) => readonly Change[],
  ) {
    this.revision = revision;
    this.#present = present;
    this.#changesOf = changesOf;
  }

  get(key: Key): Entry | undefined {
    const changes = this.#changesOf(parseKey(key).resource);
    const first = changes.find((change) => change.entry.key === key);
    return first ? first.old : this.#present.get(key);
  }

  list(resource: GroupResource, namespace?: string): readonly Entry[] {
    const before = new Map<Key, Entry | undefined>();
    for (const change of this.#changesOf(resource)) {
      const { key } = change.entry;
      if (namespace !== undefined && change.entry.namespace !== namespace) continue;
      if (!before.has(key)) before.set(key, change.old);
    }
    const present = this.#present.list(resource, namespace);
    if (before.size === 0) return present;
    const entries = present.filter((entry) => !before.has(entry.key));
    for (const entry of before.values()) if (entry) entries.push(entry);
    return entries.sort(byKey);
  }
}
