import { type GroupResource, parseKey } from "../api/key.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { Runtime } from "../runtime/runtime.ts";
import {
  CompactedError,
  FutureRevisionError,
  type Key,
  type Revision,
  type WriteHeaders,
} from "../store/store.ts";
import type { Change, Entry, ProjectionReader, View } from "../store/view.ts";
import type { WatchRequest } from "./api.ts";
import type { ApiClient, WatchHandle } from "./client.ts";
import { deepFreeze } from "./freeze.ts";

/** What an actor that may not read the log follows instead: watches through the apiserver. */
export type FeedWatch = Omit<WatchRequest, "consumer" | "from">;

/**
 * The selected resources as a projection, fed by watches over the bus. Every watch goes at its own
 * pace, so `revision` is the one that all of them have reached: what is shown is complete up to
 * there and may hold single newer versions. It keeps no history.
 */
export interface Feed extends ProjectionReader {
  stop(): void;
}

/** Starts the watches; `ready` becomes true when each has had its first listing. */
export function startFeed(
  client: ApiClient,
  runtime: Runtime,
  watches: readonly FeedWatch[],
): Feed {
  return new BusFeed(client, runtime, watches);
}

const NO_HEADERS: WriteHeaders = { actor: "", replica: "", trace: "", cause: 0 };

interface Waiter {
  readonly revision: Revision;
  readonly resolve: () => void;
}

class BusFeed implements Feed {
  readonly #runtime: Runtime;
  readonly #handles: WatchHandle[];
  readonly #entries = new Map<Key, FeedEntry>();
  readonly #byResource = new Map<GroupResource, Map<Key, FeedEntry>>();
  readonly #reached: (Revision | undefined)[];
  readonly #handlers = new Set<{ resource: GroupResource | undefined; run: ChangeHandler }>();
  #waiters: Waiter[] = [];
  #revision = 0;

  constructor(client: ApiClient, runtime: Runtime, watches: readonly FeedWatch[]) {
    this.#runtime = runtime;
    this.#reached = watches.map(() => undefined);
    this.#handles = watches.map((watch, index) => this.#follow(client, watch, index));
  }

  get revision(): Revision {
    return this.#revision;
  }

  get oldest(): Revision {
    return this.#revision;
  }

  get ready(): boolean {
    return this.#reached.every((revision) => revision !== undefined);
  }

  stop(): void {
    for (const handle of this.#handles) handle.stop();
    this.#handlers.clear();
  }

  get(key: Key): Entry | undefined {
    return this.#entries.get(key);
  }

  list(resource: GroupResource, namespace?: string): readonly Entry[] {
    return this.#select(
      resource,
      (entry) => namespace === undefined || entry.namespace === namespace,
    );
  }

  ownedBy(resource: GroupResource, uid: string): readonly Entry[] {
    return this.#select(resource, ({ object }) =>
      (object.metadata.ownerReferences ?? []).some((owner) => owner.uid === uid),
    );
  }

  uncontrolled(
    resource: GroupResource,
    namespace: string,
    labels: Readonly<Record<string, string>>,
  ): readonly Entry[] {
    return this.labelled(resource, namespace, labels).filter(
      ({ object }) => !object.metadata.ownerReferences?.some(({ controller }) => controller),
    );
  }

  labelled(
    resource: GroupResource,
    namespace: string | undefined,
    labels: Readonly<Record<string, string>>,
  ): readonly Entry[] {
    const wanted = Object.entries(labels);
    return this.#select(resource, (entry) => {
      if (namespace !== undefined && entry.namespace !== namespace) return false;
      return wanted.every(([name, value]) => entry.object.metadata.labels?.[name] === value);
    });
  }

  onNode(node: string): readonly Entry[] {
    return this.#select("pods", ({ object }) => object["spec"]?.nodeName === node);
  }

  at(revision: Revision): View {
    this.#mustBePresent(revision);
    return this;
  }

  changesSince(revision: Revision, _resource: GroupResource): readonly Change[] {
    this.#mustBePresent(revision);
    return [];
  }

  subscribe(resource: GroupResource | undefined, run: ChangeHandler): () => void {
    const handler = { resource, run };
    this.#handlers.add(handler);
    return () => void this.#handlers.delete(handler);
  }

  waitFor(revision: Revision, timeoutMs: number): Promise<void> {
    if (this.#revision >= revision) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const cancel = this.#runtime.timers.after(timeoutMs, () => {
        this.#waiters = this.#waiters.filter((one) => one !== waiter);
        reject(new Error(`revision ${revision} not reached within ${timeoutMs} ms`));
      });
      const waiter: Waiter = {
        revision,
        resolve: () => {
          cancel();
          resolve();
        },
      };
      this.#waiters.push(waiter);
    });
  }

  #follow(client: ApiClient, watch: FeedWatch, index: number): WatchHandle {
    /** Keys that this watch has delivered and that may exist. */
    const known = new Set<Key>();
    /** During a listing: those it has not named yet. */
    let unnamed: Set<Key> | undefined;
    return client.watch(watch, {
      listing: () => {
        unnamed = new Set(known);
      },
      version: (key, revision, object) => {
        unnamed?.delete(key);
        if (object === undefined) known.delete(key);
        else known.add(key);
        this.#apply(key, revision, object);
      },
      synced: (revision) => {
        for (const key of unnamed ?? []) {
          known.delete(key);
          this.#apply(key, revision, undefined);
        }
        unnamed = undefined;
        this.#reach(index, revision);
      },
      reached: (revision) => this.#reach(index, revision),
    });
  }

  #apply(key: Key, revision: Revision, object: KubernetesObject | undefined): void {
    const old = this.#entries.get(key);
    if (old !== undefined && revision <= old.revision) return;
    if (object === undefined) {
      if (old === undefined) return;
      this.#entries.delete(key);
      this.#byResource.get(old.resource)?.delete(key);
      const last = new FeedEntry(key, revision, old.object, this.#runtime.clock.now());
      this.#emit({ type: "DELETED", revision, entry: last, old });
      return;
    }
    const entry = new FeedEntry(key, revision, deepFreeze(object), this.#runtime.clock.now());
    this.#entries.set(key, entry);
    this.#entriesOf(entry.resource).set(key, entry);
    this.#emit({ type: old === undefined ? "ADDED" : "MODIFIED", revision, entry, old });
  }

  #entriesOf(resource: GroupResource): Map<Key, FeedEntry> {
    let entries = this.#byResource.get(resource);
    if (entries === undefined) {
      entries = new Map();
      this.#byResource.set(resource, entries);
    }
    return entries;
  }

  #emit(change: Change): void {
    for (const handler of [...this.#handlers]) {
      if (handler.resource === undefined || handler.resource === change.entry.resource) {
        handler.run(change);
      }
    }
  }

  #reach(index: number, revision: Revision): void {
    this.#reached[index] = revision;
    let lowest = Number.POSITIVE_INFINITY;
    for (const reached of this.#reached) lowest = Math.min(lowest, reached ?? 0);
    if (lowest <= this.#revision) return;
    this.#revision = lowest;
    const due = this.#waiters.filter((waiter) => waiter.revision <= lowest);
    if (due.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => waiter.revision > lowest);
    for (const waiter of due) waiter.resolve();
  }

  #select(resource: GroupResource, wanted: (entry: Entry) => boolean): readonly Entry[] {
    const selected = [...(this.#byResource.get(resource)?.values() ?? [])].filter(wanted);
    return selected.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  #mustBePresent(revision: Revision): void {
    if (revision > this.#revision) throw new FutureRevisionError(revision, this.#revision);
    if (revision < this.#revision) throw new CompactedError(revision, this.#revision);
  }
}

type ChangeHandler = (change: Change) => void;

class FeedEntry implements Entry {
  readonly key: Key;
  readonly resource: GroupResource;
  readonly namespace: string;
  readonly name: string;
  readonly revision: Revision;
  readonly object: KubernetesObject;
  readonly time: number;
  readonly headers = NO_HEADERS;
  #bytes: Buffer | undefined;

  constructor(key: Key, revision: Revision, object: KubernetesObject, time: number) {
    const { resource, namespace, name } = parseKey(key);
    this.key = key;
    this.resource = resource;
    this.namespace = namespace;
    this.name = name;
    this.revision = revision;
    this.object = object;
    this.time = time;
  }

  get bytes(): Buffer {
    this.#bytes ??= Buffer.from(JSON.stringify(this.object));
    return this.#bytes;
  }
}
