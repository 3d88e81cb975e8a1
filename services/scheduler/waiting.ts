import type { Relief } from "./cluster-state.ts";
import { FILTERS, refusalsOf } from "./filters/index.ts";
import { Surroundings } from "./node-info.ts";
import type { PodInfo } from "./pod-info.ts";
import type { WaitingGroup } from "./queue.ts";
import type { Placement } from "./schedule.ts";

/** Pods that found no node, alike in what would help them. */
export interface Waiting extends WaitingGroup {
  readonly pod: PodInfo;
  readonly waitsForOthers: boolean;
}

export function waitingGroup({ pod, waitsForOthers = false }: Placement): Waiting {
  if (!waitsForOthers) return { id: pod.signature, pod, waitsForOthers };
  return { id: "", pod, waitsForOthers };
}

const NOBODY_ELSE = new Surroundings([], []);
/** They can tell from the node alone. */
const ALONE = FILTERS.filter(({ looksAround }) => !looksAround);

/**
 * Whether the change may help the waiting pods: the node that changed takes them now, as far as it
 * can tell by itself, or some node refused them for what runs elsewhere, and that has changed.
 */
export function mayHelp({ node, elsewhere }: Relief, { pod, waitsForOthers }: Waiting): boolean {
  if (waitsForOthers && elsewhere) return true;
  return node !== undefined && refusalsOf(ALONE, pod, node, NOBODY_ELSE).plugin === undefined;
}
