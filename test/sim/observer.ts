import { keyOf } from "../../shared/api/key.ts";
import type { KubernetesObject, OwnerReference } from "../../shared/api/object.ts";
import type { MemoryStore } from "../../shared/store/memory.ts";
import type { Key, Revision, Version, WriteHeaders } from "../../shared/store/store.ts";
import { isActive, isAvailable } from "./pods.ts";

/** One object before and after a commit. */
export interface ObjectChange {
  readonly key: Key;
  readonly revision: Revision;
  readonly resource: string;
  readonly before: KubernetesObject | undefined;
  readonly after: KubernetesObject | undefined;
  readonly headers: WriteHeaders;
  /** Revision of the snapshot that an actor decided it on, where that is known. */
  readonly decidedAt: Revision | undefined;
}

/** Looks at the state after each commit; answers what is wrong. */
export type Invariant = (commit: readonly ObjectChange[], state: ClusterState) => string[];

/** Every object as the log has it: the truth, which no process sees without delay. */
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
    if (resource !== "pods") return;
    this.#count(change);
    this.#onNode.get(before?.["spec"]?.nodeName ?? "")?.delete(key);
    const node: string | undefined = after?.["spec"]?.nodeName;
    if (node) within(this.#onNode, node).set(key, after as KubernetesObject);
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

/** How many of something an owner has had, from which revision on. */
class CountHistory {
  /** Ascending by revision. */
  readonly #counts = new Map<string, { revision: Revision; count: number }[]>();

  add(owner: string, revision: Revision, difference: number): void {
    const history = this.#counts.get(owner) ?? [];
    history.push({ revision, count: (history.at(-1)?.count ?? 0) + difference });
    this.#counts.set(owner, history);
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

const PLAN_HEAD_BYTES = 300;

/** Follows the log without delay, keeps its state and checks the invariants after each commit. */
export class Observer {
  readonly state = new ClusterState();
  readonly violations: string[] = [];
  /** What each revision wrote. */
  readonly written = new Map<Revision, Key>();
  /** Revision of the last commit. */
  revision = 0;
  readonly #invariants: readonly Invariant[];
  readonly #trace: (line: string) => void;
  /** By trace: which snapshot a plan was decided on. */
  readonly #decided = new Map<string, Revision>();
  #commit: Version[] = [];

  constructor(store: MemoryStore, invariants: readonly Invariant[], trace: (line: string) => void) {
    this.#invariants = invariants;
    this.#trace = trace;
    store.watch("", 0, {
      version: (version) => this.#take(version),
      failed: (error) => void this.violations.push(`the log failed: ${error.message}`),
    });
  }

  /** A plan has been sent; its head says on which snapshot it was decided. */
  planned(data: Uint8Array): void {
    const head = Buffer.from(data.subarray(0, PLAN_HEAD_BYTES)).toString();
    const [, trace] = /"trace":"(\w+)/.exec(head) ?? [];
    const [, decidedAt] = /"decidedAt":(\d+)/.exec(head) ?? [];
    if (trace && decidedAt) this.#decided.set(trace, Number(decidedAt));
  }

  #take(version: Version): void {
    this.#commit.push(version);
    if (version.more) return;
    const commit = this.#commit.map((each) => this.#changeOf(each));
    this.#commit = [];
    for (const change of commit) {
      this.state.apply(change);
      this.written.set(change.revision, change.key);
    }
    this.revision = version.revision;
    this.#trace(describe(commit));
    for (const invariant of this.#invariants) {
      for (const message of invariant(commit, this.state)) {
        this.violations.push(`revision ${version.revision}: ${message}`);
        this.#trace(`VIOLATION ${message}`);
      }
    }
  }

  #changeOf({ key, revision, value, headers }: Version): ObjectChange {
    const before = this.state.get(key);
    const resource = key.slice(0, key.indexOf("/"));
    const after = value === null ? undefined : (JSON.parse(value.toString()) as KubernetesObject);
    const decidedAt = this.#decided.get(headers.trace);
    return { key, revision, resource, before, after, headers, decidedAt };
  }
}

function describe(commit: readonly ObjectChange[]): string {
  const writes = commit.map(({ key, before, after }) => {
    const verb = after === undefined ? "-" : before === undefined ? "+" : "~";
    return `${verb}${key}`;
  });
  const { revision, headers } = commit.at(-1) as ObjectChange;
  return `log ${revision} ${headers.actor}@${headers.replica}: ${writes.join(" ")}`;
}
