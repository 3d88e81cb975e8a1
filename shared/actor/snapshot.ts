import { type GroupResource, keyOf, resourceOfKey } from "../api/key.ts";
import { logOf } from "../api/kinds.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { SeenBeside } from "../log/decision.ts";
import { factsOf } from "../store/entry.ts";
import type { Key, Revision } from "../store/store.ts";
import type { Entry, ProjectionReader } from "../store/view.ts";
import type { Snapshot } from "./controller.ts";
import { deepFreeze } from "./freeze.ts";

/**
 * The projection as it stands, for one decision. It shows the projection itself, not a copy: use it
 * within the same turn of the event loop, in which nothing can change, and drop it then.
 */
export function snapshotOf(projection: ProjectionReader, now: number): ProjectionSnapshot {
  return new ProjectionSnapshot(projection, now);
}

/** Notes what it has shown of other logs than the cluster's. */
export class ProjectionSnapshot implements Snapshot {
  readonly revision: Revision;
  readonly now: number;
  readonly #projection: ProjectionReader;
  #objects: Record<Key, KubernetesObject | null> | undefined;

  constructor(projection: ProjectionReader, now: number) {
    this.#projection = projection;
    this.revision = projection.revision;
    this.now = now;
  }

  get<T>(resource: GroupResource, namespace: string, name: string): T | undefined {
    return this.getKey<T>(keyOf(resource, namespace, name));
  }

  getKey<T>(key: Key): T | undefined {
    const object = this.#projection.get(key)?.object;
    if (logOf(resourceOfKey(key)) !== "cluster") this.#show(key, object ?? null);
    return object as T | undefined;
  }

  list<T>(resource: GroupResource, namespace?: string): readonly T[] {
    return this.#shown<T>(resource, this.#projection.list(resource, namespace));
  }

  ownedBy<T>(resource: GroupResource, uid: string): readonly T[] {
    return this.#shown<T>(resource, this.#projection.ownedBy(resource, uid));
  }

  ownedFacts<T, F>(resource: GroupResource, uid: string, facts: (object: T) => F): readonly F[] {
    // Of other logs what is looked at is noted whole.
    if (logOf(resource) !== "cluster") return this.ownedBy<T>(resource, uid).map(facts);
    return this.#projection.ownedBy(resource, uid).map((entry) => factsOf(entry, facts));
  }

  uncontrolled<T>(
    resource: GroupResource,
    namespace: string,
    labels: Readonly<Record<string, string>>,
  ): readonly T[] {
    return this.#shown<T>(resource, this.#projection.uncontrolled(resource, namespace, labels));
  }

  labelled<T>(
    resource: GroupResource,
    namespace: string | undefined,
    labels: Readonly<Record<string, string>>,
  ): readonly T[] {
    return this.#shown<T>(resource, this.#projection.labelled(resource, namespace, labels));
  }

  onNode<T>(node: string): readonly T[] {
    return this.#shown<T>("pods", this.#projection.onNode(node));
  }

  /** What it has shown that does not follow from the cluster log at `revision`. */
  get seen(): SeenBeside | undefined {
    const { revision, clusterRevision: cluster = revision } = this.#projection;
    if (this.#objects === undefined && cluster === revision) return undefined;
    return {
      ...(cluster !== revision && { cluster }),
      ...(this.#objects && { objects: this.#objects }),
    };
  }

  #shown<T>(resource: GroupResource, entries: readonly Entry[]): readonly T[] {
    if (logOf(resource) !== "cluster") {
      for (const { key, object } of entries) this.#show(key, object);
    }
    return entries.map((entry) => entry.object as T);
  }

  #show(key: Key, object: KubernetesObject | null): void {
    this.#objects ??= {};
    this.#objects[key] = object;
  }
}

/**
 * A snapshot of given objects, for golden tests. What every stored object has is filled in where it
 * is left out: uid, creationTimestamp (the moment of the snapshot) and resourceVersion (its place
 * in the list). The objects are copied and frozen. The revision is the highest resourceVersion
 * unless given.
 */
export function snapshotOfObjects(
  objects: readonly KubernetesObject[],
  now: number,
  revision?: Revision,
): Snapshot {
  const stored = objects.map((object, index) => completed(object, now, index + 1));
  const highest = stored.reduce(
    (top, { object }) => Math.max(top, Number(object.metadata.resourceVersion)),
    0,
  );
  return new ObjectsSnapshot(stored, now, revision ?? highest);
}

interface StoredObject {
  readonly key: Key;
  readonly resource: GroupResource;
  readonly object: KubernetesObject;
}

function completed(given: KubernetesObject, now: number, place: number): StoredObject {
  const object = structuredClone(given);
  const resource = guessResource(object);
  const { metadata } = object;
  const key = keyOf(resource, metadata.namespace, metadata.name);
  metadata.uid ??= `uid-of-${key}`;
  metadata.resourceVersion ??= String(place);
  metadata.creationTimestamp ??= `${new Date(now).toISOString().slice(0, 19)}Z`;
  return { key, resource, object: deepFreeze(object) };
}

class ObjectsSnapshot implements Snapshot {
  readonly revision: Revision;
  readonly now: number;
  readonly #stored: readonly StoredObject[];
  readonly #byKey: ReadonlyMap<Key, StoredObject>;

  constructor(stored: readonly StoredObject[], now: number, revision: Revision) {
    this.#byKey = new Map(stored.map((one) => [one.key, one]));
    if (this.#byKey.size !== stored.length) throw new TypeError("the same object twice");
    this.#stored = stored.toSorted((a, b) => (a.key < b.key ? -1 : 1));
    this.now = now;
    this.revision = revision;
  }

  get<T>(resource: GroupResource, namespace: string, name: string): T | undefined {
    return this.getKey<T>(keyOf(resource, namespace, name));
  }

  getKey<T>(key: Key): T | undefined {
    return this.#byKey.get(key)?.object as T | undefined;
  }

  list<T>(resource: GroupResource, namespace?: string): readonly T[] {
    return this.#select<T>(resource, namespace, () => true);
  }

  ownedBy<T>(resource: GroupResource, uid: string): readonly T[] {
    return this.#select<T>(resource, undefined, (object) =>
      (object.metadata.ownerReferences ?? []).some((owner) => owner.uid === uid),
    );
  }

  ownedFacts<T, F>(resource: GroupResource, uid: string, facts: (object: T) => F): readonly F[] {
    return this.ownedBy<T>(resource, uid).map(facts);
  }

  uncontrolled<T>(
    resource: GroupResource,
    namespace: string,
    labels: Readonly<Record<string, string>>,
  ): readonly T[] {
    return this.labelled<KubernetesObject>(resource, namespace, labels).filter(
      ({ metadata }) => !metadata.ownerReferences?.some(({ controller }) => controller === true),
    ) as unknown as readonly T[];
  }

  labelled<T>(
    resource: GroupResource,
    namespace: string | undefined,
    labels: Readonly<Record<string, string>>,
  ): readonly T[] {
    return this.#select<T>(resource, namespace, (object) =>
      Object.entries(labels).every(([name, value]) => object.metadata.labels?.[name] === value),
    );
  }

  onNode<T>(node: string): readonly T[] {
    return this.#select<T>("pods", undefined, (object) => object["spec"]?.nodeName === node);
  }

  #select<T>(
    resource: GroupResource,
    namespace: string | undefined,
    wanted: (object: KubernetesObject) => boolean,
  ): readonly T[] {
    const selected: T[] = [];
    for (const one of this.#stored) {
      if (one.resource !== resource) continue;
      if (namespace !== undefined && one.object.metadata.namespace !== namespace) continue;
      if (wanted(one.object)) selected.push(one.object as T);
    }
    return selected;
  }
}

/** The plural by Kubernetes' own rule for a kind that is not in a table; right for built-ins. */
export function guessResource(object: { apiVersion: string; kind: string }): GroupResource {
  const singular = object.kind.toLowerCase();
  const slash = object.apiVersion.indexOf("/");
  const group = slash < 0 ? "" : `.${object.apiVersion.slice(0, slash)}`;
  return `${pluralOf(singular)}${group}`;
}

function pluralOf(singular: string): string {
  if (singular.endsWith("endpoints")) return singular;
  if (singular.endsWith("s")) return `${singular}es`;
  if (singular.endsWith("y")) return `${singular.slice(0, -1)}ies`;
  return `${singular}s`;
}
