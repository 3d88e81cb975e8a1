/**
 * The scheduling decision: pods and nodes in, placements out. Pure but for the table of nodes it is
 * given, which counts the pods it places. All nodes are looked at, not a sample as upstream does in
 * large clusters: pods with the same signature share a ranking that is kept from pass to pass, so
 * that a pod costs what has changed since the last one like it.
 */
import { FILTERS, refusalsOf } from "./filters/index.ts";
import type { NodeTable } from "./node-table.ts";
import type { PodInfo } from "./pod-info.ts";
import { Ranking } from "./ranking.ts";

export interface Placement {
  readonly pod: PodInfo;
  /** Name of the node; undefined: no node takes the pod, for `message`'s reasons. */
  readonly node: string | undefined;
  readonly message?: string;
  /** Whether a change elsewhere can make a node take it that refuses it now. */
  readonly waitsForOthers?: boolean;
}

/** Each holds 16 bytes a node. */
const RANKINGS_MAX = 64;

/** Decides where pods go, and counts them there. */
export class Scheduling {
  readonly #table: NodeTable;
  readonly #rankings = new Map<string, Ranking>();

  constructor(table: NodeTable) {
    this.#table = table;
  }

  /** Places the pods, in order, each seeing the ones before it. */
  place(pods: readonly PodInfo[]): Placement[] {
    const reasons = new Map<string, Reasons>();
    return pods.map((pod) => {
      const node = this.#rankingFor(pod).best();
      if (node !== undefined) {
        this.#table.add(node, pod);
        return { pod, node: node.name };
      }
      // What was placed meanwhile has taken room, and cannot have made any.
      const key = pod.looksAround ? pod.uid : groupOf(this.#table, pod);
      const why = reasons.get(key) ?? explain(this.#table, pod);
      reasons.set(key, why);
      return { pod, node: undefined, ...why };
    });
  }

  #rankingFor(pod: PodInfo): Ranking {
    if (pod.looksAround) return new Ranking(this.#table, pod);
    const key = groupOf(this.#table, pod);
    const known = this.#rankings.get(key);
    if (known?.isValid) return known;
    const ranking = new Ranking(this.#table, pod);
    this.#rankings.delete(key);
    this.#rankings.set(key, ranking);
    if (this.#rankings.size > RANKINGS_MAX) {
      this.#rankings.delete(this.#rankings.keys().next().value as string);
    }
    return ranking;
  }
}

/** Pods with the same text fit the same nodes, unless they look around themselves. */
export function groupOf(table: NodeTable, pod: PodInfo): string {
  if (!table.hasAntiAffinity) return pod.signature;
  // Pods that keep others away choose by namespace and labels.
  const { namespace, labels } = pod.pod.metadata;
  return `${pod.signature}${JSON.stringify([namespace, labels])}`;
}

interface Reasons {
  readonly message: string;
  readonly waitsForOthers: boolean;
}

/** Upstream's sentence about why no node takes a pod. */
function explain(table: NodeTable, pod: PodInfo): Reasons {
  const { rows } = table;
  if (rows.length === 0) {
    return { message: "no nodes available to schedule pods", waitsForOthers: false };
  }
  const around = table.surroundings();
  const counts = new Map<string, number>();
  let waitsForOthers = false;
  for (const node of rows) {
    const { plugin, reasons } = refusalsOf(FILTERS, pod, node, around);
    for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
    waitsForOthers ||= plugin?.looksAround === true;
  }
  const sorted = [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
  const message = `0/${rows.length} nodes are available: ${sorted.join(", ")}.`;
  return { message, waitsForOthers };
}
