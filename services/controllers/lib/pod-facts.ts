/**
 * What the controllers of many pods go by, of one version of a pod: small enough to be kept of all,
 * so that a pass over thousands decodes none of them.
 */
import type { Snapshot } from "../../../shared/actor/controller.ts";
import type { Pod } from "../../../shared/api/generated/types.ts";
import { keyOf } from "../../../shared/api/key.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import { parseTime } from "../../../shared/api/time.ts";
import type { Key } from "../../../shared/store/store.ts";
import { controllerOf } from "./owners.ts";
import { conditionOf, isTerminal } from "./pods.ts";

export type Labels = Readonly<Record<string, string>>;

export interface PodFacts {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** The controller's uid; "": it has none. */
  readonly controller: string;
  /** Pods with the same labels mostly share them. */
  readonly labels: Labels;
  readonly terminal: boolean;
  readonly terminating: boolean;
  readonly phase: string;
  /** "": not bound. */
  readonly node: string;
  readonly ready: boolean;
  /** Since when it is ready or not, milliseconds since the epoch. */
  readonly readySince: number | undefined;
  readonly createdAt: number | undefined;
  /** Of the container that restarted most. */
  readonly restarts: number;
  readonly deletionCost: number;
}

const DELETION_COST = "controller.kubernetes.io/pod-deletion-cost";

/** Facts of the pods that refer to the owner, in whatever role, in key order. */
export function podsOf(owner: KubernetesObject, at: Snapshot): readonly PodFacts[] {
  return at.ownedFacts<Pod, PodFacts>("pods", owner.metadata.uid as string, factsOf);
}

export function factsOf(pod: Pod): PodFacts {
  const { metadata, status } = pod;
  const ready = conditionOf(pod, "Ready");
  const cost = Number(metadata.annotations?.[DELETION_COST] ?? 0);
  let restarts = 0;
  for (const { restartCount } of status?.containerStatuses ?? []) {
    restarts = Math.max(restarts, restartCount);
  }
  return {
    namespace: shared(metadata.namespace ?? ""),
    name: metadata.name,
    uid: metadata.uid as string,
    controller: shared(controllerOf(pod)?.uid ?? ""),
    labels: sharedLabels(metadata.labels ?? {}),
    terminal: isTerminal(pod),
    terminating: metadata.deletionTimestamp !== undefined,
    phase: shared(status?.phase ?? "Pending"),
    node: shared(pod.spec?.nodeName ?? ""),
    ready: ready?.status === "True",
    readySince: parseTime(ready?.lastTransitionTime),
    createdAt: parseTime(metadata.creationTimestamp),
    restarts,
    deletionCost: Number.isInteger(cost) ? cost : 0,
  };
}

/** Counts towards a ReplicaSet's replicas: neither finished nor being deleted. */
export function isActive({ terminal, terminating }: PodFacts): boolean {
  return !terminal && !terminating;
}

/**
 * Milliseconds until the pod counts as available (ready for `minReadySeconds`): 0 when it is now,
 * undefined while it is not ready.
 */
export function msUntilAvailable(
  { ready, readySince }: PodFacts,
  minReadySeconds: number,
  now: number,
): number | undefined {
  if (!ready) return undefined;
  if (minReadySeconds === 0) return 0;
  return readySince === undefined
    ? undefined
    : Math.max(0, readySince + minReadySeconds * 1000 - now);
}

export function keyOfFacts({ namespace, name }: PodFacts): Key {
  return keyOf("pods", namespace, name);
}

/** Answers about labels, each asked once for all pods that share them. */
export function perLabels(ask: (labels: Labels) => boolean): (labels: Labels) => boolean {
  const answers = new Map<Labels, boolean>();
  return (labels) => {
    let answer = answers.get(labels);
    if (answer === undefined) {
      answer = ask(labels);
      answers.set(labels, answer);
    }
    return answer;
  };
}

/**
 * Equal values of different pods, held once: only memory depends on what is in here. Begun anew
 * when full, so that what no pod has any more goes.
 */
const SHARED_MAX = 20_000;
const strings = new Map<string, string>();
const labelSets = new Map<string, Labels>();

function shared(text: string): string {
  return remembered(strings, text, text);
}

function sharedLabels(labels: Labels): Labels {
  return remembered(labelSets, JSON.stringify(labels), labels);
}

function remembered<T>(known: Map<string, T>, name: string, value: T): T {
  const present = known.get(name);
  if (present !== undefined) return present;
  if (known.size >= SHARED_MAX) known.clear();
  known.set(name, value);
  return value;
}
