import type { GroupResource } from "../api/key.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { Key, Revision, WriteHeaders } from "./store.ts";

/**
 * What a projection (projection.ts) shows: objects by key, as bytes and, decoded lazily, as frozen
 * objects. One projection per process and log, shared by all its actors (DESIGN D6).
 */
export interface Entry {
  readonly key: Key;
  readonly resource: GroupResource;
  readonly namespace: string;
  readonly name: string;
  readonly revision: Revision;
  /**
   * The object as served on the wire: `{"kind":...,"apiVersion":...,"metadata":{"resourceVersion":
   * "<revision>",...}...}`. Stored values lack resourceVersion (it is not known before the commit);
   * the projection splices it in once, right behind `"metadata":{`.
   */
  readonly bytes: Buffer;
  /** Decoded on first use, deeply frozen, shared: never change it. */
  readonly object: KubernetesObject;
  readonly headers: WriteHeaders;
  /** When the log took this version, milliseconds since the epoch. */
  readonly time: number;
}

export interface Change {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly revision: Revision;
  /** The version after the change. For DELETED: the last state, with the deletion's revision. */
  readonly entry: Entry;
  /** The version before; undefined for ADDED. */
  readonly old: Entry | undefined;
}

/** Objects as of one revision. Lists are in key order. */
export interface View {
  readonly revision: Revision;
  get(key: Key): Entry | undefined;
  list(resource: GroupResource, namespace?: string): readonly Entry[];
}

export interface ProjectionReader extends View {
  /** Of the cluster log; absent where `revision` is of no other. */
  readonly clusterRevision?: Revision;
  ownedBy(resource: GroupResource, uid: string): readonly Entry[];
  /** Those of the namespace without a controller whose labels hold all of these pairs. */
  uncontrolled(
    resource: GroupResource,
    namespace: string,
    labels: Readonly<Record<string, string>>,
  ): readonly Entry[];
  labelled(
    resource: GroupResource,
    namespace: string | undefined,
    labels: Readonly<Record<string, string>>,
  ): readonly Entry[];
  /** Pods by spec.nodeName. */
  onNode(node: string): readonly Entry[];

  /**
   * The state at an earlier revision, within the window of kept versions.
   * @throws CompactedError below the window, FutureRevisionError above `revision`.
   */
  at(revision: Revision): View;
  /** Oldest revision that `at` and `changesSince` can serve. */
  readonly oldest: Revision;
  /**
   * Changes of the resource above `revision`, in order: what a watch that resumes has missed.
   * @throws CompactedError below the window.
   */
  changesSince(revision: Revision, resource: GroupResource): readonly Change[];

  /**
   * Calls `handler` for each change as it is applied, in log order; a commit of several writes is
   * applied whole before the first call, so that the projection never shows half of it.
   */
  subscribe(resource: GroupResource | undefined, handler: (change: Change) => void): () => void;
  /** Resolves once the projection has reached the revision; rejects after `timeoutMs`. */
  waitFor(revision: Revision, timeoutMs: number): Promise<void>;
  /** True once the initial snapshot of the log has been applied. */
  readonly ready: boolean;
}

/** What a writer in the same process spares a projection: decoding what was encoded just now. */
export interface Borrower {
  /**
   * To be called before the value is committed: the next version of the key, if it has this value,
   * takes over the object, which nobody may change from now on.
   */
  lend(key: Key, value: Uint8Array, object: KubernetesObject): void;
  /** The commit has failed: no version will come. */
  takeBack(key: Key, value: Uint8Array): void;
}
