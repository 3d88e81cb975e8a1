import { type GroupResource, prefixOf } from "../../shared/api/key.ts";
import type { Cancel, Runtime } from "../../shared/runtime/runtime.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import { Projection } from "../../shared/store/projection.ts";
import type { Revision, Store, Version } from "../../shared/store/store.ts";
import type { Change, ProjectionReader, View } from "../../shared/store/view.ts";

/** A client that goes on behind a replica's start asks again within it: the next page. */
const KEPT_MS = 30_000;
const DECODED_BYTES = 4 * 1024 * 1024;
const CAUGHT_UP_MS = 3_000;
/** Reading more from the log takes longer than a list from memory, and keeps others waiting. */
const OBJECTS_MAX = 10_000;

interface Kept<Result> {
  readonly from: Revision;
  readonly reading: Promise<Result>;
  readonly cancel: Cancel;
}

/** Changes of one resource, all of them up to a revision. */
export interface Stretch {
  readonly upTo: Revision;
  /** Above a revision, in order. @throws CompactedError when they were too many to be kept. */
  changesSince(revision: Revision): readonly Change[];
}

/**
 * What happened to a resource before this replica's projection began, read from the log: so that a
 * list or a watch which began at another replica, or at one that has died, goes on here. Shared by
 * all who ask for about the same.
 */
export class Earlier {
  readonly #store: Pick<Store, "list" | "watch">;
  readonly #projection: ProjectionReader;
  readonly #runtime: Runtime;
  readonly #views = new Map<GroupResource, Kept<View>>();
  readonly #stretches = new Map<GroupResource, Kept<Stretch>>();

  constructor(
    store: Pick<Store, "list" | "watch">,
    projection: ProjectionReader,
    runtime: Runtime,
  ) {
    this.#store = store;
    this.#projection = projection;
    this.#runtime = runtime;
  }

  /** The resource's objects as of a revision. @throws CompactedError, FutureRevisionError */
  view(resource: GroupResource, revision: Revision): Promise<View> {
    const kept = this.#views.get(resource);
    if (kept?.from === revision) return kept.reading;
    const read = async () => (await this.#stateAt(resource, revision)).projection;
    return this.#keep(this.#views, resource, revision, read());
  }

  /**
   * The resource's changes above a revision, up to where the replica's own projection goes on;
   * undefined when that has them all, or when the resource is so large that its clients had better
   * list it anew. @throws CompactedError, FutureRevisionError
   */
  async since(resource: GroupResource, revision: Revision): Promise<Stretch | undefined> {
    const { oldest } = this.#projection;
    if (revision >= oldest || this.#isLarge(resource)) return undefined;
    const kept = this.#stretches.get(resource);
    if (kept !== undefined && kept.from <= revision) {
      const stretch = await kept.reading;
      if (stretch.upTo >= oldest) return stretch;
    }
    return this.#keep(this.#stretches, resource, revision, this.#stretch(resource, revision));
  }

  #isLarge(resource: GroupResource): boolean {
    return this.#projection.list(resource).length > OBJECTS_MAX;
  }

  #keep<Result>(
    all: Map<GroupResource, Kept<Result>>,
    resource: GroupResource,
    from: Revision,
    reading: Promise<Result>,
  ): Promise<Result> {
    const forget = (): void => {
      if (all.get(resource)?.reading !== reading) return;
      all.get(resource)?.cancel();
      all.delete(resource);
    };
    all.get(resource)?.cancel();
    all.set(resource, { from, reading, cancel: this.#runtime.timers.after(KEPT_MS, forget) });
    reading.catch(forget);
    return reading;
  }

  async #stateAt(resource: GroupResource, revision: Revision) {
    const runtime = this.#runtime;
    const { versions } = await this.#store.list(prefixOf(resource), revision);
    const past = new MemoryStore(runtime, { revision, versions });
    const projection = new Projection({ runtime, decodedBytes: DECODED_BYTES });
    await projection.follow(past);
    return { past, projection };
  }

  async #stretch(resource: GroupResource, from: Revision): Promise<Stretch> {
    const { past, projection } = await this.#stateAt(resource, from);
    const { commits, head } = await this.#commitsAfter(resource, from);
    for (const commit of commits) past.take(commit);
    const last = commits.at(-1)?.at(-1)?.revision ?? from;
    await projection.waitFor(last, CAUGHT_UP_MS);
    projection.stop();
    return {
      upTo: head,
      changesSince: (revision) => projection.changesSince(revision, resource),
    };
  }

  #commitsAfter(
    resource: GroupResource,
    from: Revision,
  ): Promise<{ commits: Version[][]; head: Revision }> {
    return new Promise((resolve, reject) => {
      const commits: Version[][] = [];
      let commit: Version[] = [];
      const watch = this.#store.watch(prefixOf(resource), from, {
        version: (version) => {
          commit.push(version);
          if (version.more) return;
          commits.push(commit);
          commit = [];
        },
        caughtUp: (head) => {
          watch.stop();
          resolve({ commits, head });
        },
        failed: reject,
      });
    });
  }
}
