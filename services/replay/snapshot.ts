import type { Controller, Snapshot } from "../../shared/actor/controller.ts";
import { ProjectionSnapshot } from "../../shared/actor/snapshot.ts";
import { type GroupResource, keyOf, parseKey } from "../../shared/api/key.ts";
import { logOf } from "../../shared/api/kinds.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { DecisionRecord } from "../../shared/log/decision.ts";
import type { Key } from "../../shared/store/store.ts";
import type { ProjectionReader } from "../../shared/store/view.ts";

/**
 * What a controller saw: the cluster log as the projection has it, which stands at the record's
 * revision, and of other logs what the record says.
 */
export function snapshotOfRecord(
  projection: ProjectionReader,
  { now, decidedAt, seen }: DecisionRecord,
): Snapshot {
  return new SnapshotOfRecord(projection, now, decidedAt, seen?.objects ?? {});
}

class SnapshotOfRecord extends ProjectionSnapshot {
  override readonly revision: number;
  readonly #beside: Readonly<Record<Key, KubernetesObject | null>>;

  constructor(
    projection: ProjectionReader,
    now: number,
    revision: number,
    beside: Readonly<Record<Key, KubernetesObject | null>>,
  ) {
    super(projection, now);
    this.revision = revision;
    this.#beside = beside;
  }

  override get<T>(resource: GroupResource, namespace: string, name: string): T | undefined {
    return this.getKey<T>(keyOf(resource, namespace, name));
  }

  override getKey<T>(key: Key): T | undefined {
    const beside = this.#beside[key];
    if (beside !== undefined) return (beside ?? undefined) as T | undefined;
    return super.getKey<T>(key);
  }

  override list<T>(resource: GroupResource, namespace?: string): readonly T[] {
    if (logOf(resource) === "cluster") return super.list<T>(resource, namespace);
    return this.#noted<T>(resource, ({ metadata }) =>
      namespace === undefined ? true : metadata.namespace === namespace,
    );
  }

  override ownedBy<T>(resource: GroupResource, uid: string): readonly T[] {
    if (logOf(resource) === "cluster") return super.ownedBy<T>(resource, uid);
    return this.#noted<T>(resource, ({ metadata }) =>
      (metadata.ownerReferences ?? []).some((owner) => owner.uid === uid),
    );
  }

  #noted<T>(resource: GroupResource, wanted: (object: KubernetesObject) => boolean): readonly T[] {
    return Object.entries(this.#beside)
      .filter(([key, object]) => parseKey(key).resource === resource && object && wanted(object))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object as T);
  }
}

/** A controller made to decide again; a throw is what it decided, too. */
export function reconcileAgain(controller: Controller, key: Key, at: Snapshot) {
  try {
    return { plan: controller.reconcile(key, at) };
  } catch (error) {
    return { threw: error instanceof Error ? error.message : String(error) };
  }
}
