import type { Node, Pod } from "../../shared/api/generated/types.ts";
import type { Change, ProjectionReader } from "../../shared/store/view.ts";
import { NodeInfo } from "./node-info.ts";
import { type PodInfo, podInfo } from "./pod-info.ts";

/** What changed, as far as it can matter to pods that found no node. */
export type Relief = "node" | "pod" | undefined;

/**
 * Nodes and what runs on them, kept up to date change by change, with the pods that this scheduler
 * has placed but not yet seen bound counted in.
 */
export class ClusterState {
  readonly #projection: ProjectionReader;
  readonly #nodes = new Map<string, NodeInfo>();
  /** Node on which a pod is counted, by the pod's uid. */
  readonly #counted = new Map<string, string>();
  readonly #assumed = new Set<string>();
  #list: readonly NodeInfo[] | undefined;

  constructor(projection: ProjectionReader) {
    this.#projection = projection;
    for (const entry of projection.list("nodes")) this.#setNode(entry.object as Node);
  }

  /** In order of name. */
  get nodes(): readonly NodeInfo[] {
    this.#list ??= [...this.#nodes.values()].sort((a, b) =>
      a.node.metadata.name < b.node.metadata.name ? -1 : 1,
    );
    return this.#list;
  }

  /** Says whether the change may make room. */
  changedNode(change: Change): Relief {
    if (change.type === "DELETED") {
      const gone = this.#nodes.get(change.entry.name);
      for (const pod of gone?.pods ?? []) this.#counted.delete(pod.pod.metadata.uid as string);
      this.#nodes.delete(change.entry.name);
      this.#list = undefined;
      return undefined;
    }
    const node = change.entry.object as Node;
    const known = this.#nodes.get(node.metadata.name);
    if (known !== undefined && !matters(known.node, node)) return undefined;
    this.#setNode(node);
    return "node";
  }

  changedPod(change: Change): Relief {
    const pod = change.entry.object as Pod;
    const uid = pod.metadata.uid as string;
    const node = pod.spec?.nodeName;
    if (change.type === "DELETED" || isTerminal(pod)) {
      this.#assumed.delete(uid);
      return this.#discount(uid) ? "pod" : undefined;
    }
    if (node) {
      this.#assumed.delete(uid);
      this.#count(uid, node, podInfo(pod));
    }
    return undefined;
  }

  /** The pod has been counted by `schedule`, and stays so until it is seen bound or `forget`. */
  assume(pod: PodInfo, node: string): void {
    const uid = pod.pod.metadata.uid as string;
    this.#assumed.add(uid);
    this.#counted.set(uid, node);
  }

  /** The binding was refused. */
  forget(pod: PodInfo): void {
    const uid = pod.pod.metadata.uid as string;
    if (this.#assumed.delete(uid)) this.#discount(uid);
  }

  #setNode(node: Node): void {
    const { name } = node.metadata;
    const known = this.#nodes.get(name);
    this.#list = undefined;
    if (known !== undefined) {
      this.#nodes.set(name, known.withNode(node));
      return;
    }
    this.#nodes.set(name, new NodeInfo(node));
    for (const entry of this.#projection.onNode(name)) {
      const pod = entry.object as Pod;
      if (!isTerminal(pod)) this.#count(pod.metadata.uid as string, name, podInfo(pod));
    }
  }

  #count(uid: string, node: string, pod: PodInfo): void {
    const before = this.#counted.get(uid);
    if (before !== undefined && before !== node) this.#nodes.get(before)?.remove(uid);
    const info = this.#nodes.get(node);
    if (info === undefined) return;
    info.add(uid, pod);
    this.#counted.set(uid, node);
  }

  #discount(uid: string): boolean {
    const node = this.#counted.get(uid);
    if (node === undefined) return false;
    this.#counted.delete(uid);
    this.#nodes.get(node)?.remove(uid);
    return true;
  }
}

export function isTerminal(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

/** A heartbeat in the conditions changes nothing for the scheduler. */
function matters(old: Node, next: Node): boolean {
  const facts = ({ metadata, spec, status }: Node) =>
    JSON.stringify([metadata.labels, spec?.taints, spec?.unschedulable, status?.allocatable]);
  return facts(old) !== facts(next);
}
