import type { GroupResource } from "../api/key.ts";
import { parseKey } from "../api/key.ts";
import { logOf } from "../api/kinds.ts";
import type { Key, Revision } from "./store.ts";
import type { Change, Entry, ProjectionReader, View } from "./view.ts";

/** The projections of the logs that hold Kubernetes objects (DESIGN D7). */
export interface Projections {
  readonly cluster: ProjectionReader;
  readonly events: ProjectionReader;
  readonly leases: ProjectionReader;
}

/**
 * Several logs' projections as one. Revisions are those of `primary`, the log of the resource that
 * the reader decides about: there is no order between logs, so that what it sees of the others may
 * be a little older or newer.
 */
export function compositeProjection(
  projections: Projections,
  primary: keyof Projections,
): ProjectionReader {
  return new CompositeProjection(projections, projections[primary]);
}

class CompositeProjection implements ProjectionReader {
  readonly #projections: Projections;
  readonly #primary: ProjectionReader;

  constructor(projections: Projections, primary: ProjectionReader) {
    this.#projections = projections;
    this.#primary = primary;
  }

  get revision(): Revision {
    return this.#primary.revision;
  }

  get clusterRevision(): Revision {
    return this.#projections.cluster.revision;
  }

  get oldest(): Revision {
    return this.#primary.oldest;
  }

  /** Events are many, and nobody waits for them who does not decide about them. */
  get ready(): boolean {
    const { cluster, leases } = this.#projections;
    return cluster.ready && leases.ready && this.#primary.ready;
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

  uncontrolled(
    resource: GroupResource,
    namespace: string,
    labels: Readonly<Record<string, string>>,
  ): readonly Entry[] {
    return this.#of(resource).uncontrolled(resource, namespace, labels);
  }

  labelled(
    resource: GroupResource,
    namespace: string | undefined,
    labels: Readonly<Record<string, string>>,
  ): readonly Entry[] {
    return this.#of(resource).labelled(resource, namespace, labels);
  }

  onNode(node: string): readonly Entry[] {
    return this.#projections.cluster.onNode(node);
  }

  /** Of the primary log alone. */
  at(revision: Revision): View {
    return this.#primary.at(revision);
  }

  changesSince(revision: Revision, resource: GroupResource): readonly Change[] {
    return this.#of(resource).changesSince(revision, resource);
  }

  /** Without a resource: every change of the cluster log. */
  subscribe(resource: GroupResource | undefined, handler: (change: Change) => void): () => void {
    const projection = resource === undefined ? this.#projections.cluster : this.#of(resource);
    return projection.subscribe(resource, handler);
  }

  waitFor(revision: Revision, timeoutMs: number): Promise<void> {
    return this.#primary.waitFor(revision, timeoutMs);
  }

  #of(resource: GroupResource): ProjectionReader {
    return this.#projections[logOf(resource)];
  }
}
