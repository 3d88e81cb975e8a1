import type { Node } from "../../shared/api/generated/types.ts";
import type { HostPort, PodInfo, Resources } from "./pod-info.ts";
import { quantities } from "./pod-info.ts";

/** A node and what its pods take of it, kept up to date pod by pod. */
export class NodeInfo {
  readonly node: Node;
  readonly allocatable: Resources;
  readonly podsMax: number;
  readonly #pods = new Map<string, PodInfo>();
  readonly #requested = new Map<string, number>();
  readonly #assumed = new Map<string, number>();
  readonly #owners = new Map<string, number>();
  readonly #antiAffine = new Set<PodInfo>();
  #ports: HostPort[] | undefined;

  constructor(node: Node) {
    this.node = node;
    this.allocatable = quantities(node.status?.allocatable ?? node.status?.capacity);
    this.podsMax = this.allocatable.get("pods") ?? 110;
  }

  get podCount(): number {
    return this.#pods.size;
  }

  /** The pods on the node, those assumed to be bound to it included. */
  get pods(): Iterable<PodInfo> {
    return this.#pods.values();
  }

  /** What the node's pods ask for of a resource. */
  requested(resource: string): number {
    return this.#requested.get(resource) ?? 0;
  }

  /** As `requested`, with the assumed minimum of pods that ask for nothing. */
  assumed(resource: string): number {
    return this.#assumed.get(resource) ?? 0;
  }

  /** How many pods of the controller are here. */
  ownedBy(owner: string): number {
    return this.#owners.get(owner) ?? 0;
  }

  /** Pods here that keep others away (required pod anti-affinity). */
  get antiAffine(): ReadonlySet<PodInfo> {
    return this.#antiAffine;
  }

  get hostPorts(): readonly HostPort[] {
    this.#ports ??= [...this.#pods.values()].flatMap((pod) => pod.hostPorts);
    return this.#ports;
  }

  /** Counts the pod in, once. */
  add(uid: string, pod: PodInfo): void {
    if (this.#pods.has(uid)) this.remove(uid);
    this.#pods.set(uid, pod);
    this.#count(pod, 1);
  }

  remove(uid: string): void {
    const pod = this.#pods.get(uid);
    if (pod === undefined) return;
    this.#pods.delete(uid);
    this.#count(pod, -1);
  }

  /** The same pods on a new version of the node. */
  withNode(node: Node): NodeInfo {
    const next = new NodeInfo(node);
    for (const [uid, pod] of this.#pods) next.add(uid, pod);
    return next;
  }

  #count(pod: PodInfo, sign: 1 | -1): void {
    if (pod.hostPorts.length > 0) this.#ports = undefined;
    if (sign < 0) this.#antiAffine.delete(pod);
    else if (pod.affinity?.podAntiAffinity !== undefined) this.#antiAffine.add(pod);
    change(this.#requested, pod.requests, sign);
    change(this.#assumed, pod.assumed, sign);
    if (pod.owner === "") return;
    const owned = (this.#owners.get(pod.owner) ?? 0) + sign;
    if (owned > 0) this.#owners.set(pod.owner, owned);
    else this.#owners.delete(pod.owner);
  }
}

function change(total: Map<string, number>, amounts: Resources, sign: 1 | -1): void {
  for (const [name, amount] of amounts) total.set(name, (total.get(name) ?? 0) + sign * amount);
}

/** All nodes, and what filters find out about them together, once per group of pods. */
export class Surroundings {
  readonly nodes: readonly NodeInfo[];
  /** Nodes with pods that keep others away. */
  readonly antiAffine: readonly NodeInfo[];
  readonly #memory = new Map<object, unknown>();

  constructor(nodes: readonly NodeInfo[]) {
    this.nodes = nodes;
    this.antiAffine = nodes.filter((node) => node.antiAffine.size > 0);
  }

  /** What `make` returned when it was first asked for the key. */
  once<T>(key: object, make: () => T): T {
    if (!this.#memory.has(key)) this.#memory.set(key, make());
    return this.#memory.get(key) as T;
  }
}
