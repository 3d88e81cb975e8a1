import type { Node } from "../../shared/api/generated/types.ts";
import { type Amounts, amountsOf } from "../../shared/api/pod-requests.ts";
import type { HostPort, PodInfo } from "./pod-info.ts";

/** As kubelet's default, for a node that does not say. */
const PODS_MAX = 110;

/** A node and what its pods take of it, kept up to date pod by pod by the table of all nodes. */
export class NodeInfo {
  readonly node: Node;
  readonly name: string;
  readonly allocatable: Amounts;
  readonly podsMax: number;
  /** Refuses or dislikes some pods for other reasons than what is free on it. */
  readonly isSpecial: boolean;
  assumedCpu = 0;
  assumedMemory = 0;
  readonly #pods = new Map<string, PodInfo>();
  readonly #requested = new Map<string, number>();
  readonly #owners = new Map<string, number>();
  readonly #antiAffine = new Set<PodInfo>();
  #ports: HostPort[] | undefined;

  constructor(node: Node) {
    this.node = node;
    this.name = node.metadata.name;
    this.allocatable = amountsOf(node.status?.allocatable ?? node.status?.capacity);
    this.podsMax = this.allocatable.get("pods") ?? PODS_MAX;
    this.isSpecial = (node.spec?.taints?.length ?? 0) > 0 || node.spec?.unschedulable === true;
  }

  get podCount(): number {
    return this.#pods.size;
  }

  /** The pods on the node, those assumed to be bound to it included. */
  get pods(): Iterable<PodInfo> {
    return this.#pods.values();
  }

  pod(uid: string): PodInfo | undefined {
    return this.#pods.get(uid);
  }

  /** What the node's pods ask for of a resource. */
  requested(resource: string): number {
    return this.#requested.get(resource) ?? 0;
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

  /** Counts a pod in that is not here yet. */
  add(pod: PodInfo): void {
    this.#pods.set(pod.uid, pod);
    this.#count(pod, 1);
  }

  remove(pod: PodInfo): void {
    this.#pods.delete(pod.uid);
    this.#count(pod, -1);
  }

  /** A newer version of a pod that takes the same. */
  replace(old: PodInfo, pod: PodInfo): void {
    this.#pods.set(pod.uid, pod);
    if (this.#antiAffine.delete(old)) this.#antiAffine.add(pod);
  }

  #count(pod: PodInfo, sign: 1 | -1): void {
    if (pod.hostPorts.length > 0) this.#ports = undefined;
    if (sign < 0) this.#antiAffine.delete(pod);
    else if (pod.keepsAway) this.#antiAffine.add(pod);
    for (const [name, amount] of pod.requests) {
      this.#requested.set(name, (this.#requested.get(name) ?? 0) + sign * amount);
    }
    this.assumedCpu += sign * pod.assumedCpu;
    this.assumedMemory += sign * pod.assumedMemory;
    if (pod.owner === "") return;
    const owned = (this.#owners.get(pod.owner) ?? 0) + sign;
    if (owned > 0) this.#owners.set(pod.owner, owned);
    else this.#owners.delete(pod.owner);
  }
}

/** All nodes, and what filters find out about them together, once. */
export class Surroundings {
  readonly nodes: readonly NodeInfo[];
  /** Nodes with pods that keep others away. */
  readonly antiAffine: readonly NodeInfo[];
  readonly #memory = new Map<object, unknown>();

  constructor(nodes: readonly NodeInfo[], antiAffine: readonly NodeInfo[]) {
    this.nodes = nodes;
    this.antiAffine = antiAffine;
  }

  /** What `make` returned when it was first asked for the key. */
  once<T>(key: object, make: () => T): T {
    if (!this.#memory.has(key)) this.#memory.set(key, make());
    return this.#memory.get(key) as T;
  }
}
