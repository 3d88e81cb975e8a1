import type { GroupResource } from "../api/key.ts";
import { parseKey } from "../api/key.ts";
import type { Key, Revision } from "../store/store.ts";
import type { Change, Entry, ProjectionReader, View } from "../store/view.ts";

/**
 * One reader over projections of several logs, for decisions that need objects of more than one
 * (nodes and their leases). The log of what is decided on, `main`, gives the revision: the claims of
 * a plan guard only its objects. The others are shown as far as they have come.
 */
export function combine(
  main: ProjectionReader,
  others: Readonly<Record<GroupResource, ProjectionReader>>,
): ProjectionReader {
  return new Combined(main, others);
}

class Combined implements ProjectionReader {
  readonly #main: ProjectionReader;
  readonly #others: Readonly<Record<GroupResource, ProjectionReader>>;

  constructor(main: ProjectionReader, others: Readonly<Record<GroupResource, ProjectionReader>>) {
    this.#main = main;
    this.#others = others;
  }

  get revision(): Revision {
    return this.#main.revision;
  }

  get oldest(): Revision {
    return this.#main.oldest;
  }

  get ready(): boolean {
    return this.#main.ready && Object.values(this.#others).every(({ ready }) => ready);
  }

  get(key: Key): Entry | undefined {
    return this.#of(parseKey(key).resource).get(key);
  }

  list(resource: GroupResource, namespace?: string): readonly Entry[] {
    return this.#of(resource).list(resource, namespace);
  }

  ownedBy(resource: GroupResource, uid: string): readonly Entry[] {
    return this.#of(resource).ownedBy(resource, uid);
  }

  labelled(
    resource: GroupResource,
    namespace: string | undefined,
    labels: Readonly<Record<string, string>>,
  ): readonly Entry[] {
    return this.#of(resource).labelled(resource, namespace, labels);
  }

  onNode(node: string): readonly Entry[] {
    return this.#of("pods").onNode(node);
  }

  at(revision: Revision): View {
    return this.#main.at(revision);
  }

  changesSince(revision: Revision, resource: GroupResource): readonly Change[] {
    return this.#main.changesSince(revision, resource);
  }

  subscribe(resource: GroupResource | undefined, handler: (change: Change) => void): () => void {
    if (resource !== undefined) return this.#of(resource).subscribe(resource, handler);
    const stops = [
      this.#main.subscribe(undefined, handler),
      ...Object.entries(this.#others).map(([each, reader]) => reader.subscribe(each, handler)),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  waitFor(revision: Revision, timeoutMs: number): Promise<void> {
    return this.#main.waitFor(revision, timeoutMs);
  }

  #of(resource: GroupResource): ProjectionReader {
    return this.#others[resource] ?? this.#main;
  }
}
