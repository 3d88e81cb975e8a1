import type {
  Container,
  ContainerStatus,
  Pod,
  PodCondition,
} from "../../../shared/api/generated/types.ts";
import { isRestartableInit } from "./spec.ts";

/** A condition without its times; times are filled in against the conditions there were. */
export interface ConditionState {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason?: string;
  readonly message?: string;
}

/** Types that the kubelet writes; every other condition belongs to another writer and is kept. */
const OWN_TYPES: readonly string[] = [
  "PodReadyToStartContainers",
  "Initialized",
  "Ready",
  "ContainersReady",
  "PodScheduled",
];

/** Kubernetes' time format: whole seconds, UTC. */
export function timestamp(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}

/**
 * The pod's conditions: those of other writers as they are, followed by `states` in the given
 * order. The transition time of a condition moves only when its status does.
 */
export function mergeConditions(
  existing: readonly PodCondition[],
  states: readonly ConditionState[],
  now: number,
  generation?: number,
): PodCondition[] {
  const own = new Set([...OWN_TYPES, ...states.map((state) => state.type)]);
  const merged = existing.filter((condition) => !own.has(condition.type));
  for (const state of states) {
    const before = existing.find((condition) => condition.type === state.type);
    const unchanged = before?.status === state.status;
    merged.push({
      type: state.type,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      status: state.status,
      lastTransitionTime:
        unchanged && before.lastTransitionTime ? before.lastTransitionTime : timestamp(now),
      ...(state.reason ? { reason: state.reason } : {}),
      ...(state.message ? { message: state.message } : {}),
    });
  }
  return merged;
}

/** What conditions are computed from. */
export interface ConditionInput {
  readonly pod: Pod;
  readonly phase: string;
  readonly containers: readonly ContainerStatus[];
  readonly initContainers: readonly ContainerStatus[];
  readonly sandboxReady: boolean;
  /** Conditions as they stand, for readiness gates. */
  readonly existing: readonly PodCondition[];
}

/** The five conditions that the kubelet reports on every pod, in upstream's order. */
export function podConditions(input: ConditionInput): ConditionState[] {
  const containersReady = containersReadyCondition(input);
  return [
    {
      type: "PodReadyToStartContainers",
      status: input.sandboxReady ? "True" : "False",
    },
    initializedCondition(input),
    readyCondition(input, containersReady),
    containersReady,
    { type: "PodScheduled", status: "True" },
  ];
}

function initializedCondition(input: ConditionInput): ConditionState {
  const type = "Initialized";
  const specs = input.pod.spec?.initContainers ?? [];
  if (specs.length > 0 && input.containers.length === 0 && input.initContainers.length === 0) {
    return { type, status: "False", reason: "UnknownContainerStatuses" };
  }
  const unknown: string[] = [];
  const incomplete: string[] = [];
  for (const spec of specs) {
    const status = input.initContainers.find((one) => one.name === spec.name);
    if (!status) unknown.push(spec.name);
    else if (!initDone(spec, status)) incomplete.push(spec.name);
  }
  if (input.phase === "Succeeded" && unknown.length === 0) {
    return { type, status: "True", reason: "PodCompleted" };
  }
  // A container that has run proves that initialization was complete when it started; a sidecar
  // that restarts later does not take that back.
  if (input.containers.some(hasStarted)) return { type, status: "True" };
  const messages = nameLists({
    "containers with unknown status": unknown,
    "containers with incomplete status": incomplete,
  });
  if (messages === "") return { type, status: "True" };
  return { type, status: "False", reason: "ContainersNotInitialized", message: messages };
}

function hasStarted(status: ContainerStatus): boolean {
  return Boolean(status.state?.running || status.state?.terminated || status.lastState?.terminated);
}

function initDone(spec: Container, status: ContainerStatus): boolean {
  if (isRestartableInit(spec)) return status.started === true;
  return status.ready;
}

function containersReadyCondition(input: ConditionInput): ConditionState {
  const type = "ContainersReady";
  if (input.phase === "Succeeded") return { type, status: "False", reason: "PodCompleted" };
  if (input.phase === "Failed") return { type, status: "False", reason: "PodFailed" };
  const specs = input.pod.spec?.containers ?? [];
  if (specs.length > 0 && input.containers.length === 0) {
    return { type, status: "False", reason: "UnknownContainerStatuses" };
  }
  const sidecars = (input.pod.spec?.initContainers ?? []).filter(isRestartableInit);
  const unknown: string[] = [];
  const unready: string[] = [];
  const statuses = [...input.initContainers, ...input.containers];
  for (const spec of [...sidecars, ...specs]) {
    const status = statuses.find((one) => one.name === spec.name);
    if (!status) unknown.push(spec.name);
    else if (!status.ready) unready.push(spec.name);
  }
  const messages = nameLists({
    "containers with unknown status": unknown,
    "containers with unready status": unready,
  });
  if (messages === "") return { type, status: "True" };
  return { type, status: "False", reason: "ContainersNotReady", message: messages };
}

function readyCondition(input: ConditionInput, containersReady: ConditionState): ConditionState {
  const type = "Ready";
  if (containersReady.status !== "True") return { ...containersReady, type };
  const messages: string[] = [];
  for (const gate of input.pod.spec?.readinessGates ?? []) {
    const condition = input.existing.find((one) => one.type === gate.conditionType);
    if (!condition) {
      messages.push(
        `corresponding condition of pod readiness gate "${gate.conditionType}" does not exist.`,
      );
    } else if (condition.status !== "True") {
      messages.push(
        `the status of pod readiness gate "${gate.conditionType}" ` +
          `is not "True", but ${condition.status}`,
      );
    }
  }
  if (messages.length === 0) return { type, status: "True" };
  return { type, status: "False", reason: "ReadinessGatesNotReady", message: messages.join(", ") };
}

/** `containers with unready status: [a b]`, one clause per list that is not empty. */
function nameLists(lists: Readonly<Record<string, readonly string[]>>): string {
  return Object.entries(lists)
    .filter(([, names]) => names.length > 0)
    .map(([title, names]) => `${title}: [${names.join(" ")}]`)
    .join(", ");
}
