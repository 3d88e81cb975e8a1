import type { GroupResource } from "../api/key.ts";
import { withoutManagedFields } from "../api/lean.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { Cancel, Runtime } from "../runtime/runtime.ts";
import { DecodedObjects } from "./decoded.ts";
import { type EntryMemory, ObjectEntry } from "./entry.ts";
import { PastView } from "./past.ts";
import { ResourceIndex } from "./resource-index.ts";
import { Slabs } from "./slabs.ts";
import {
  CompactedError,
  FutureRevisionError,
  type Key,
  type Revision,
  type Store,
  UnavailableError,
  type Version,
  type Watch,
} from "./store.ts";
import type { Borrower, Change, Entry, ProjectionReader, View } from "./view.ts";
import { ChangeWindow } from "./window.ts";

export interface ProjectionOptions {
  readonly runtime: Runtime;
  /** How long changes are kept for `at` and `changesSince`. Default: 5 minutes, as Kubernetes. */
  readonly windowMs?: number;
  /** How many changes are kept at most. Default 100,000. */
  readonly windowChanges?: number;
  /** How many bytes of replaced and deleted objects are kept at most. Default 64 MiB. */
  readonly windowBytes?: number;
  /** Freeze decoded objects, so that a reader that changes one fails. Default true. */
  readonly freeze?: boolean;
  /**
   * How many bytes of objects, encoded, are kept decoded as well; those that were not used lately
   * are decoded again when somebody looks at them. Default 32 MiB.
   */
  readonly decodedBytes?: number;
  /**
   * Resources of which each change is decoded as it comes, because all are looked at anyway:
   * decoding only the metadata for the indexes first would be work done twice. Default: none.
   */
  readonly eager?: (resource: GroupResource) => boolean;
  /**
   * Leave out managedFields, of entries' bytes as of their objects: for those who decide, and serve
   * nobody. Default false.
   */
  readonly lean?: boolean;
}

type ChangeHandler = (change: Change) => void;

interface Lent {
  readonly value: Uint8Array;
  readonly object: KubernetesObject;
}

interface Waiter {
  readonly revision: Revision;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  readonly cancel: Cancel;
}

const RETRY_MS = 250;
const NOTHING: readonly Entry[] = Object.freeze([]);

/**
 * The state of one log, kept in memory by following it (DESIGN D6). Whatever it hands out is
 * shared by all readers and never changes: entries, their bytes and objects, and lists.
 *
 * When the log reports that the projection fell behind a compaction, the projection takes a new
 * snapshot and tells subscribers the difference; the window of changes starts anew.
 */
export class Projection implements ProjectionReader, Borrower {
  readonly #runtime: Runtime;
  readonly #memory: EntryMemory;
  readonly #eager: (resource: GroupResource) => boolean;
  readonly #lean: boolean;
  readonly #window: ChangeWindow;
  readonly #entries = new Map<Key, ObjectEntry>();
  readonly #resources = new Map<GroupResource, ResourceIndex>();
  readonly #handlers = new Set<ChangeHandler>();
  readonly #resourceHandlers = new Map<GroupResource, Set<ChangeHandler>>();
  readonly #waiters = new Set<Waiter>();
  /** By the key that it is being written to. */
  readonly #lent = new Map<Key, Lent>();
  #revision: Revision = 0;
  #ready = false;
  #stopped = false;
  #watch: Watch | undefined;
  #cancelRetry: Cancel | undefined;
  /** The snapshot under way. */
  #snapshot: Map<Key, ObjectEntry> | undefined = new Map();
  /** Versions of a commit of which more is to come. */
  #gathered: Version[] = [];
  /** Entries that were made of versions before the whole of their commit was here. */
  #ahead = new WeakMap<Version, ObjectEntry>();

  constructor(options: ProjectionOptions) {
    this.#runtime = options.runtime;
    const bytesMax = options.decodedBytes ?? 32 * 1024 * 1024;
    this.#memory = {
      decoded: new DecodedObjects({ freeze: options.freeze ?? true, bytesMax }),
      slabs: new Slabs(),
    };
    this.#eager = options.eager ?? (() => false);
    this.#lean = options.lean ?? false;
    const limits = {
      ms: options.windowMs ?? 5 * 60_000,
      changes: options.windowChanges ?? 100_000,
      bytes: options.windowBytes ?? 64 * 1024 * 1024,
    };
    this.#window = new ChangeWindow(limits, letGo);
  }

  /**
   * Begins to follow the log; resolves when its present state is here. Follows until `stop`, over
   * failures. To be called once.
   */
  follow(log: Pick<Store, "watch">): Promise<void> {
    return new Promise((resolve) => {
      const begin = (): void => {
        if (this.#stopped) return;
        this.#snapshot = new Map();
        this.#gathered = [];
        this.#watch = log.watch("", "snapshot", {
          version: (version) => this.#take(version),
          ahead: (version) => {
            if (!this.#snapshot) this.#prepare(version);
          },
          progress: (revision) => {
            if (!this.#snapshot) this.#reached(revision, []);
          },
          caughtUp: (revision) => {
            if (this.#snapshot) this.#applySnapshot(this.#snapshot, revision);
            resolve();
          },
          failed: () => {
            this.#cancelRetry = this.#runtime.timers.after(RETRY_MS, begin);
          },
        });
      };
      begin();
    });
  }

  /** Stops following; what is here can still be read. */
  stop(): void {
    this.#stopped = true;
    this.#watch?.stop();
    this.#cancelRetry?.();
    for (const waiter of this.#waiters) {
      this.#settle(waiter);
      waiter.reject(new UnavailableError("the projection was stopped"));
    }
  }

  get revision(): Revision {
    return this.#revision;
  }

  get oldest(): Revision {
    return this.#window.oldest;
  }

  get ready(): boolean {
    return this.#ready;
  }

  get(key: Key): Entry | undefined {
    return this.#entries.get(key);
  }

  list(resource: GroupResource, namespace?: string): readonly Entry[] {
    return this.#resources.get(resource)?.list(namespace) ?? NOTHING;
  }

  ownedBy(resource: GroupResource, uid: string): readonly Entry[] {
    return this.#resources.get(resource)?.ownedBy(uid) ?? NOTHING;
  }

  uncontrolled(
    resource: GroupResource,
    namespace: string,
    labels: Readonly<Record<string, string>>,
  ): readonly Entry[] {
    return this.#resources.get(resource)?.uncontrolled(namespace, labels) ?? NOTHING;
  }

  labelled(
    resource: GroupResource,
    namespace: string | undefined,
    labels: Readonly<Record<string, string>>,
  ): readonly Entry[] {
    return this.#resources.get(resource)?.labelled(namespace, labels) ?? NOTHING;
  }

  onNode(node: string): readonly Entry[] {
    return this.#resources.get("pods")?.onNode(node) ?? NOTHING;
  }

  at(revision: Revision): View {
    this.#checkInWindow(revision);
    if (revision > this.#revision) throw new FutureRevisionError(revision, this.#revision);
    return new PastView(revision, this, (resource) => this.changesSince(revision, resource));
  }

  changesSince(revision: Revision, resource: GroupResource): readonly Change[] {
    this.#checkInWindow(revision);
    return this.#window.after(revision, resource);
  }

  subscribe(resource: GroupResource | undefined, handler: ChangeHandler): () => void {
    if (resource === undefined) {
      this.#handlers.add(handler);
      return () => this.#handlers.delete(handler);
    }
    let handlers = this.#resourceHandlers.get(resource);
    if (!handlers) {
      handlers = new Set();
      this.#resourceHandlers.set(resource, handlers);
    }
    handlers.add(handler);
    return () => handlers.delete(handler);
  }

  waitFor(revision: Revision, timeoutMs: number): Promise<void> {
    if (this.#ready && this.#revision >= revision) return Promise.resolve();
    if (this.#stopped) return Promise.reject(new UnavailableError("the projection was stopped"));
    return new Promise((resolve, reject) => {
      const cancel = this.#runtime.timers.after(timeoutMs, () => {
        this.#settle(waiter);
        const message = `revision ${revision} did not arrive in ${timeoutMs} ms`;
        reject(new UnavailableError(`${message}; the projection is at ${this.#revision}`));
      });
      const waiter: Waiter = { revision, resolve, reject, cancel };
      this.#waiters.add(waiter);
    });
  }

  lend(key: Key, value: Uint8Array, object: KubernetesObject): void {
    if (!this.#lean) this.#lent.set(key, { value, object });
  }

  takeBack(key: Key, value: Uint8Array): void {
    if (this.#lent.get(key)?.value === value) this.#lent.delete(key);
  }

  #checkInWindow(revision: Revision): void {
    if (revision < this.oldest) throw new CompactedError(revision, this.oldest);
  }

  #take(version: Version): void {
    if (this.#snapshot) {
      this.#takeSnapshot(this.#snapshot, version);
      return;
    }
    if (version.more || this.#gathered.length > 0) this.#gathered.push(version);
    if (version.more) return;
    const commit = this.#gathered.length > 0 ? this.#gathered : [version];
    this.#gathered = [];
    const now = this.#runtime.clock.monotonic();
    const changes: Change[] = [];
    for (const each of commit) {
      const change = this.#apply(each);
      if (!change) continue;
      changes.push(change);
      this.#window.push(change, now);
    }
    this.#window.trim(now);
    this.#reached(version.revision, changes);
  }

  #takeSnapshot(snapshot: Map<Key, ObjectEntry>, version: Version): void {
    const { key, revision, value } = version;
    const old = snapshot.get(key) ?? this.#entries.get(key);
    if (value === null) snapshot.delete(key);
    else if (old?.revision === revision) snapshot.set(old.key, old);
    else {
      const entry = this.#entryOf({ ...version, value }, old);
      snapshot.set(entry.key, entry);
    }
  }

  /** Makes a whole snapshot the present state, as the changes that lead there. */
  #applySnapshot(snapshot: Map<Key, ObjectEntry>, revision: Revision): void {
    this.#snapshot = undefined;
    const changes: Change[] = [];
    for (const [key, entry] of snapshot) {
      if (this.#entries.get(key) !== entry) changes.push(this.#put(entry));
    }
    changes.sort((a, b) => a.revision - b.revision);
    const time = this.#runtime.clock.now();
    for (const [key, entry] of this.#entries) {
      if (snapshot.has(key)) continue;
      // Deleted while nobody looked: when, and by whom, has been compacted away.
      changes.push(this.#remove(entry, { revision, headers: entry.headers, time }));
    }
    this.#window.reset(revision);
    for (const change of changes) letGo(change);
    // Also back: a log that lost its end in a power cut (relaxed durability) starts again lower.
    this.#revision = revision;
    this.#ready = true;
    this.#reached(revision, changes);
  }

  /** Changes the state; undefined when there was nothing to delete. */
  #apply(version: Version): Change | undefined {
    const { key, value } = version;
    const old = this.#entries.get(key);
    if (value === null) return old && this.#remove(old, version);
    return this.#put(this.#ahead.get(version) ?? this.#looked({ ...version, value }));
  }

  #prepare(version: Version): void {
    const { value } = version;
    if (value !== null) this.#ahead.set(version, this.#looked({ ...version, value }));
  }

  /** Decoded where that would be needed anyway. */
  #looked(version: Version & { value: Buffer }): ObjectEntry {
    const entry = this.#entryOf(version, this.#entries.get(version.key));
    if (this.#eager(entry.resource)) entry.decode();
    return entry;
  }

  #entryOf(version: Version & { value: Buffer }, old: Entry | undefined): ObjectEntry {
    const value = this.#lean ? withoutManagedFields(version.value) : version.value;
    const entry = ObjectEntry.of({ ...version, value }, old, this.#memory);
    const lent = this.#lent.get(version.key);
    if (lent === undefined) return entry;
    this.#lent.delete(version.key);
    if (version.value.equals(lent.value)) entry.adopt(lent.object);
    return entry;
  }

  #put(entry: ObjectEntry): Change {
    const old = this.#entries.get(entry.key);
    entry.keep();
    this.#entries.set(entry.key, entry);
    this.#indexOf(entry.resource).apply(old, entry);
    return { type: old ? "MODIFIED" : "ADDED", revision: entry.revision, entry, old };
  }

  #remove(old: ObjectEntry, version: Pick<Version, "revision" | "headers" | "time">): Change {
    this.#entries.delete(old.key);
    this.#indexOf(old.resource).apply(old, undefined);
    const entry = ObjectEntry.deleted(version, old, this.#memory);
    entry.keep();
    return { type: "DELETED", revision: version.revision, entry, old };
  }

  #indexOf(resource: GroupResource): ResourceIndex {
    let index = this.#resources.get(resource);
    if (!index) {
      index = new ResourceIndex();
      this.#resources.set(resource, index);
    }
    return index;
  }

  #reached(revision: Revision, changes: readonly Change[]): void {
    this.#revision = Math.max(this.#revision, revision);
    for (const change of changes) {
      for (const handler of this.#handlers) call(handler, change);
      const handlers = this.#resourceHandlers.get(change.entry.resource);
      if (handlers) for (const handler of handlers) call(handler, change);
      if (change.old instanceof ObjectEntry) change.old.forgetObject();
    }
    for (const waiter of this.#waiters) {
      if (waiter.revision > this.#revision) continue;
      this.#settle(waiter);
      waiter.resolve();
    }
  }

  #settle(waiter: Waiter): void {
    waiter.cancel();
    this.#waiters.delete(waiter);
  }
}

/** The change is past: what only it showed need not be kept. */
function letGo({ type, entry, old }: Change): void {
  if (old instanceof ObjectEntry) old.leave();
  if (type === "DELETED" && entry instanceof ObjectEntry) entry.leave();
}

/** A subscriber that throws ends the process, but not before the others were told. */
function call(handler: ChangeHandler, change: Change): void {
  try {
    handler(change);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
