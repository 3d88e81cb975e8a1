import type { Node, Pod } from "../../shared/api/generated/types.ts";
import { keyOf } from "../../shared/api/key.ts";
import type { Key } from "../../shared/store/store.ts";
import type { Change, ProjectionReader } from "../../shared/store/view.ts";
import type { NodeInfo } from "./node-info.ts";
import { NodeTable } from "./node-table.ts";
import { PodInfo, podInfo } from "./pod-info.ts";

/** What has changed, as far as it can matter to pods that found no node. */
export interface Relief {
  /** This node may take what it has refused. */
  readonly node?: NodeInfo;
  /** Pods are elsewhere, or other pods, than those that look around have seen. */
  readonly elsewhere: boolean;
}

const NO_RELIEF: Relief = { elsewhere: false };

/**
 * Nodes and what runs on them, kept up to date change by change, with the pods that this scheduler
 * has placed but not yet seen bound counted in.
 */
export class ClusterState {
  readonly table: NodeTable;
  readonly #projection: ProjectionReader;
  /** Where a pod is counted, by its uid. */
  readonly #counted = new Map<string, string>();
  readonly #assumed = new Set<string>();

  /** @param seed See NodeTable. */
  constructor(projection: ProjectionReader, seed = "") {
    this.#projection = projection;
    this.table = new NodeTable(seed);
    for (const entry of projection.list("nodes")) this.#setNode(entry.object as Node);
  }

  changedNode(change: Change): Relief {
    const { name } = change.entry;
    const known = this.table.get(name);
    if (change.type === "DELETED") {
      for (const { uid } of known?.pods ?? []) this.#counted.delete(uid);
      this.table.delete(name);
      return { elsewhere: true };
    }
    const node = change.entry.object as Node;
    if (known !== undefined && !matters(known.node, node)) return NO_RELIEF;
    return { node: this.#setNode(node), elsewhere: true };
  }

  changedPod(change: Change): Relief {
    const pod = change.entry.object as Pod;
    const uid = pod.metadata.uid as string;
    const node = pod.spec?.nodeName;
    if (change.type === "DELETED" || isTerminal(pod)) {
      this.#assumed.delete(uid);
      const left = this.#discount(uid);
      return left === undefined ? NO_RELIEF : { node: left, elsewhere: true };
    }
    if (!node) return NO_RELIEF;
    const wasAssumed = this.#assumed.delete(uid);
    const relief = this.#count(node, pod);
    return wasAssumed ? { ...relief, elsewhere: true } : relief;
  }

  /** The pod has been counted by the decision, and stays so until seen bound or `forget`. */
  assume({ uid }: PodInfo, node: string): void {
    this.#assumed.add(uid);
    this.#counted.set(uid, node);
  }

  /** The pods that are counted though they have not been seen bound, by key, and where. */
  assumed(): (readonly [pod: Key, node: string])[] {
    const assumed: (readonly [pod: Key, node: string])[] = [];
    for (const uid of this.#assumed) {
      const node = this.#counted.get(uid);
      const pod = node === undefined ? undefined : this.table.get(node)?.pod(uid)?.pod;
      if (node === undefined || pod === undefined) continue;
      assumed.push([keyOf("pods", pod.metadata.namespace, pod.metadata.name), node]);
    }
    return assumed;
  }

  /** The binding was refused. */
  forget({ uid }: PodInfo): Relief {
    const node = this.#assumed.delete(uid) ? this.#discount(uid) : undefined;
    return node === undefined ? NO_RELIEF : { node, elsewhere: true };
  }

  #setNode(node: Node): NodeInfo {
    const { name } = node.metadata;
    const isNew = this.table.get(name) === undefined;
    const info = this.table.set(node);
    if (!isNew) return info;
    for (const entry of this.#projection.onNode(name)) {
      const pod = entry.object as Pod;
      if (!isTerminal(pod)) this.#count(name, pod);
    }
    return info;
  }

  #count(name: string, pod: Pod): Relief {
    const uid = pod.metadata.uid as string;
    const before = this.#counted.get(uid);
    const node = this.table.get(name);
    const known = before === name ? node?.pod(uid) : undefined;
    if (node !== undefined && known !== undefined && sameSpecification(known.pod, pod)) {
      this.table.replace(node, known, new PodInfo(pod, known));
      return { elsewhere: !sameToOthers(known.pod, pod) };
    }
    if (before !== undefined) this.#discount(uid);
    if (node === undefined) return NO_RELIEF;
    this.table.add(node, podInfo(pod));
    this.#counted.set(uid, name);
    return { ...(before !== undefined && { node }), elsewhere: true };
  }

  #discount(uid: string): NodeInfo | undefined {
    const node = this.table.get(this.#counted.get(uid) ?? "");
    this.#counted.delete(uid);
    const pod = node?.pod(uid);
    if (node !== undefined && pod !== undefined) this.table.remove(node, pod);
    return node;
  }
}

export function isTerminal(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

/** The generation grows with every change of the specification; binding is none. */
function sameSpecification({ metadata: old }: Pod, { metadata: next }: Pod): boolean {
  return old.generation !== undefined && old.generation === next.generation;
}

/** What pods that choose their neighbours look at. */
function sameToOthers({ metadata: old }: Pod, { metadata: next }: Pod): boolean {
  if (old.deletionTimestamp !== next.deletionTimestamp) return false;
  return JSON.stringify(old.labels) === JSON.stringify(next.labels);
}

/** A heartbeat in the conditions changes nothing for the scheduler. */
function matters(old: Node, next: Node): boolean {
  const facts = ({ metadata, spec, status }: Node) =>
    JSON.stringify([metadata.labels, spec?.taints, spec?.unschedulable, status?.allocatable]);
  return facts(old) !== facts(next);
}
