import type {
  Container,
  ContainerStatus,
  Pod,
  PodStatus,
} from "../../../shared/api/generated/types.ts";
import { mergeConditions, podConditions, timestamp } from "./conditions.ts";
import { podPhase } from "./phase.ts";
import { qosClass } from "./qos.ts";

/**
 * Stages: what happens to a pod on a simulated node, as data (stages/*.yaml). Choosing a stage and
 * drawing its outcome are pure, so that a node process that crashed decides the same again.
 */
export interface Stage {
  readonly name: string;
  /** Labels the pod must carry. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly when?: readonly StageRule[];
  readonly delay?: StageDelay;
  readonly next: StageOutcome;
}

/**
 * A test of one field, named by its path: `status.containerStatuses[0].ready`, or
 * `status.conditions[Ready].status`, where the item is named by its type.
 */
export interface StageRule {
  readonly path: string;
  readonly operator: "Exists" | "DoesNotExist" | "In" | "NotIn";
  /** An absent field counts as the empty string. */
  readonly values?: readonly (string | number | boolean)[];
}

export interface StageDelay {
  readonly milliseconds?: number;
  /** Up to this much more, drawn from the pod's uid and the stage's name. */
  readonly jitter?: number;
  /** Doubles with each restart of the first container, up to `maximum`. */
  readonly doubling?: boolean;
  readonly maximum?: number;
}

export interface StageOutcome {
  /** Removes the pod for good. */
  readonly delete?: boolean;
  /** Nothing more happens in this state; stages further down are not tried. */
  readonly stay?: boolean;
  /** Instead of the phase that follows from the containers. */
  readonly phase?: "Pending" | "Running" | "Succeeded" | "Failed";
  readonly reason?: string;
  readonly message?: string;
  readonly containers?: ContainerPicture;
  readonly initContainers?: ContainerPicture;
  readonly event?: {
    readonly type: "Normal" | "Warning";
    readonly reason: string;
    readonly message: string;
  };
}

/** What all containers of a pod look like after a stage. */
export interface ContainerPicture {
  readonly state: "waiting" | "running" | "terminated";
  readonly reason?: string;
  readonly message?: string;
  readonly exitCode?: number;
  readonly ready?: boolean;
  /** Counts one restart more. */
  readonly restart?: boolean;
  /** How the run before ended. */
  readonly last?: { readonly reason: string; readonly exitCode: number };
}

/** The node as a pod's status shows it. */
export interface StagePlace {
  readonly hostIP: string;
  readonly podIP: string;
  readonly now: number;
}

/** The stage that the pod is in, or undefined when nothing more will happen to it. */
export function chooseStage(stages: readonly Stage[], pod: Pod): Stage | undefined {
  const chosen = stages.find((stage) => fits(stage, pod));
  return chosen?.next.stay ? undefined : chosen;
}

/** How long after the pod came to its state the stage is played, milliseconds. */
export function stageDelay(stage: Stage, pod: Pod): number {
  const { milliseconds = 0, jitter = 0, doubling = false, maximum } = stage.delay ?? {};
  const restarts = pod.status?.containerStatuses?.[0]?.restartCount ?? 0;
  const doubled = doubling ? milliseconds * 2 ** Math.min(restarts, 16) : milliseconds;
  const bounded = maximum === undefined ? doubled : Math.min(doubled, maximum);
  const seed = `${pod.metadata.uid}/${stage.name}/${restarts}`;
  return bounded + Math.floor(hashFraction(seed) * jitter);
}

/** The pod's whole status after the stage. */
export function stagedStatus(stage: Stage, pod: Pod, place: StagePlace): PodStatus {
  const before = pod.status ?? {};
  const spec = pod.spec;
  const inits = paint(
    spec?.initContainers,
    before.initContainerStatuses,
    stage.next.initContainers,
    pod,
    place,
  );
  const containers = paint(
    spec?.containers,
    before.containerStatuses,
    stage.next.containers,
    pod,
    place,
  );
  const phase = stage.next.phase ?? podPhase(pod, inits, containers);
  const states = podConditions({
    pod,
    phase,
    containers,
    initContainers: inits,
    sandboxReady: phase === "Pending" || phase === "Running",
    existing: before.conditions ?? [],
  });
  const generation = pod.metadata.generation;
  const podIP = spec?.hostNetwork ? place.hostIP : place.podIP;
  return {
    ...before,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    phase,
    conditions: mergeConditions(before.conditions ?? [], states, place.now, generation),
    ...(stage.next.reason ? { reason: stage.next.reason } : {}),
    ...(stage.next.message ? { message: stage.next.message } : {}),
    hostIP: place.hostIP,
    hostIPs: [{ ip: place.hostIP }],
    podIP,
    podIPs: [{ ip: podIP }],
    startTime: before.startTime ?? timestamp(place.now),
    qosClass: before.qosClass ?? qosClass(pod),
    ...(inits.length > 0 ? { initContainerStatuses: inits } : {}),
    containerStatuses: containers,
  };
}

function paint(
  specs: readonly Container[] | undefined,
  before: readonly ContainerStatus[] | undefined,
  picture: ContainerPicture | undefined,
  pod: Pod,
  place: StagePlace,
): ContainerStatus[] {
  return (specs ?? []).map((spec) => {
    const old = before?.find((status) => status.name === spec.name);
    if (!picture && old) return old;
    return paintOne(
      spec,
      old,
      picture ?? { state: "waiting", reason: "ContainerCreating" },
      pod,
      place,
    );
  });
}

function paintOne(
  spec: Container,
  old: ContainerStatus | undefined,
  picture: ContainerPicture,
  pod: Pod,
  place: StagePlace,
): ContainerStatus {
  const restartCount = (old?.restartCount ?? 0) + (picture.restart ? 1 : 0);
  const containerID = `simulated://${hashHex(`${pod.metadata.uid}/${spec.name}/${restartCount}`)}`;
  const now = timestamp(place.now);
  const startedAt = old?.state?.running?.startedAt ?? now;
  const running = picture.state === "running";
  const last = picture.last
    ? {
        ...picture.last,
        startedAt,
        finishedAt: now,
        ...(old?.containerID ? { containerID: old.containerID } : {}),
      }
    : old?.lastState?.terminated;
  return {
    name: spec.name,
    state: stateOf(picture, { containerID, startedAt: picture.restart ? now : startedAt, now }),
    lastState: last ? { terminated: last } : {},
    ready: running
      ? picture.ready === true
      : picture.state === "terminated" && picture.exitCode === 0 && isInit(pod, spec),
    started: running,
    restartCount,
    image: spec.image ?? "",
    imageID:
      picture.state === "waiting" ? "" : `simulated@sha256:${hashHex(spec.image ?? "").repeat(2)}`,
    ...(picture.state === "waiting" && !last ? {} : { containerID }),
  };
}

function stateOf(
  picture: ContainerPicture,
  run: { containerID: string; startedAt: string; now: string },
): ContainerStatus["state"] {
  const said = {
    ...(picture.reason ? { reason: picture.reason } : {}),
    ...(picture.message ? { message: picture.message } : {}),
  };
  if (picture.state === "waiting") return { waiting: said };
  if (picture.state === "running") return { running: { startedAt: run.startedAt } };
  return {
    terminated: {
      exitCode: picture.exitCode ?? 0,
      ...said,
      startedAt: run.startedAt,
      finishedAt: run.now,
      containerID: run.containerID,
    },
  };
}

function isInit(pod: Pod, spec: Container): boolean {
  return pod.spec?.initContainers?.includes(spec) ?? false;
}

function fits(stage: Stage, pod: Pod): boolean {
  for (const [name, value] of Object.entries(stage.labels ?? {})) {
    if (pod.metadata.labels?.[name] !== value) return false;
  }
  return (stage.when ?? []).every((rule) => holds(rule, valueAt(pod, rule.path)));
}

function holds(rule: StageRule, value: unknown): boolean {
  switch (rule.operator) {
    case "Exists":
      return value !== undefined && value !== null;
    case "DoesNotExist":
      return value === undefined || value === null;
    case "In":
      return (rule.values ?? []).includes((value ?? "") as string);
    case "NotIn":
      return !(rule.values ?? []).includes((value ?? "") as string);
  }
}

function valueAt(object: unknown, path: string): unknown {
  let value = object;
  for (const step of path.split(/[.[\]]+/).filter((part) => part !== "")) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Array.isArray(value) ? itemAt(value, step) : (value as Record<string, unknown>)[step];
  }
  return value;
}

function itemAt(list: readonly unknown[], step: string): unknown {
  if (/^\d+$/.test(step)) return list[Number(step)];
  return list.find((item) => (item as { type?: unknown } | null)?.type === step);
}

/** FNV-1a over the text, then a final mix, as a fraction of one. */
function hashFraction(text: string): number {
  return hash32(text, 0x811c9dc5) / 0x1_0000_0000;
}

/** 32 hexadecimal digits that depend on nothing but the text. */
function hashHex(text: string): string {
  return [0x811c9dc5, 0x9e3779b9, 0x85ebca6b, 0xc2b2ae35]
    .map((seed) => hash32(text, seed).toString(16).padStart(8, "0"))
    .join("");
}

function hash32(text: string, seed: number): number {
  let hash = seed;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  hash = Math.imul(hash ^ (hash >>> 15), 0x846ca68b);
  return (hash ^ (hash >>> 16)) >>> 0;
}
