import { keyOf } from "../../shared/api/key.ts";
import type { KubernetesObject, OwnerReference } from "../../shared/api/object.ts";
import type { Key, Revision, WriteHeaders } from "../../shared/store/store.ts";
import { isActive, isAvailable } from "./pods.ts";

/** One object before and after a commit. */
export interface ObjectChange {
  readonly key: Key;
  readonly revision: Revision;
  readonly resource: string;
  readonly before: KubernetesObject | undefined;
  readonly after: KubernetesObject | undefined;
  readonly headers: WriteHeaders;
  /** Revision of the snapshot that it was decided on, where that is known. */
  readonly decidedAt: Revision | undefined;
}

/** Every object as the log has it, and how many pods their owners have had lately. */
export class ClusterState {
  readonly #resources = new Map<string, Map<Key, KubernetesObject>>();
  readonly #owned = new Map<string, Map<Key, KubernetesObject>>();
  readonly #onNode = new Map<string, Map<Key, KubernetesObject>>();
  readonly #available = new CountHistory();
  readonly #active = new CountHistory();

  get(key: Key): KubernetesObject | undefined {
    return this.#resources.get(key.slice(0, key.indexOf("/")))?.get(key);
  }

  list(resource: string): KubernetesObject[] {
    return [...(this.#resources.get(resource)?.values() ?? [])];
  }

  get resources(): string[] {
    return [...this.#resources.keys()];
  }

  /** Pods and ReplicaSets by the uid of an owner. */
  ownedBy(uid: string): KubernetesObject[] {
    return [...(this.#owned.get(uid)?.values() ?? [])];
  }

  onNode(node: string): KubernetesObject[] {
    return [...(this.#onNode.get(node)?.values() ?? [])];
  }

  /** How many available pods the owner had at the revision. */
  availableAt(owner: string, revision: Revision): number {
    return this.#available.at(owner, revision);
  }

  /** How many active pods the owner had at the revision. */
  activeAt(owner: string, revision: Revision): number {
    return this.#active.at(owner, revision);
  }

  owner(object: KubernetesObject): KubernetesObject | undefined {
    const reference = controllerOf(object);
    if (reference === undefined) return undefined;
    const resource = RESOURCE_OF_OWNER[reference.kind];
    if (resource === undefined) return undefined;
    const owner = this.get(keyOf(resource, object.metadata.namespace, reference.name));
    return owner?.metadata.uid === reference.uid ? owner : undefined;
  }

  apply(change: ObjectChange): void {
    const { key, resource, before, after } = change;
    const objects = within(this.#resources, resource);
    if (after === undefined) objects.delete(key);
    else objects.set(key, after);
    for (const { uid } of before?.metadata.ownerReferences ?? []) this.#owned.get(uid)?.delete(key);
    for (const { uid } of after?.metadata.ownerReferences ?? []) {
      within(this.#owned, uid).set(key, after as KubernetesObject);
    }
    if (after === undefined) this.#forget(before?.metadata.uid ?? "");
    if (resource !== "pods") return;
    this.#count(change);
    this.#onNode.get(before?.["spec"]?.nodeName ?? "")?.delete(key);
    const node: string | undefined = after?.["spec"]?.nodeName;
    if (node) within(this.#onNode, node).set(key, after as KubernetesObject);
  }

  /** Whoever is gone is not asked about. */
  #forget(uid: string): void {
    if (this.#owned.get(uid)?.size === 0) this.#owned.delete(uid);
    this.#active.forget(uid);
    this.#available.forget(uid);
  }

  #count({ before, after, revision }: ObjectChange): void {
    for (const [pod, sign] of [[before, -1] as const, [after, 1] as const]) {
      if (pod === undefined || !isActive(pod)) continue;
      const owner = controllerOf(pod)?.uid;
      if (owner === undefined) continue;
      this.#active.add(owner, revision, sign);
      if (isAvailable(pod)) this.#available.add(owner, revision, sign);
    }
  }
}

/** A decision is committed long before its owner's pods have changed so often. */
const COUNTS_MAX = 2_000;

/** How many of something an owner has had, from which revision on. */
class CountHistory {
  /** Ascending by revision. */
  readonly #counts = new Map<string, { revision: Revision; count: number }[]>();

  add(owner: string, revision: Revision, difference: number): void {
    const history = this.#counts.get(owner) ?? [];
    history.push({ revision, count: (history.at(-1)?.count ?? 0) + difference });
    if (history.length > 2 * COUNTS_MAX) history.splice(0, COUNTS_MAX);
    this.#counts.set(owner, history);
  }

  forget(owner: string): void {
    this.#counts.delete(owner);
  }

  at(owner: string, revision: Revision): number {
    return this.#counts.get(owner)?.findLast((each) => each.revision <= revision)?.count ?? 0;
  }
}

const RESOURCE_OF_OWNER: Readonly<Record<string, string>> = {
  ReplicaSet: "replicasets.apps",
  Deployment: "deployments.apps",
};

/** The owner reference that controls the object. */
export function controllerOf(object: KubernetesObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller);
}

function within<V>(maps: Map<string, Map<Key, V>>, name: string): Map<Key, V> {
  let map = maps.get(name);
  if (map === undefined) {
    map = new Map();
    maps.set(name, map);
  }
  return map;
}
