import type { ContainerStatus, Pod, PodStatus } from "../../../shared/api/generated/types.ts";
import { mergeConditions, podConditions, timestamp } from "./conditions.ts";
import { type Findings, hasStarted, isReady, type WaitingState, waitingFor } from "./containers.ts";
import { type Phase, podPhase } from "./phase.ts";
import { qosClass } from "./qos.ts";
import { type ContainerKind, type NamedContainer, podContainers, restartsAfter } from "./spec.ts";
import type { ObservedContainer, PodSnapshot } from "./types.ts";

/** How a pod that ended as a whole is reported, whatever its containers did. */
export interface Verdict {
  readonly phase: "Failed" | "Succeeded";
  readonly reason?: string;
  readonly message?: string;
}

export interface StatusOptions {
  /** Nothing restarts any more. */
  readonly terminal: boolean;
  readonly verdict?: Verdict;
}

/** The pod's whole status, as upstream reports it. Fields of other writers stay as they are. */
export function podStatus(
  snapshot: PodSnapshot,
  findings: Findings,
  { terminal, verdict }: StatusOptions,
): PodStatus {
  const { pod, now } = snapshot;
  const before = pod.status ?? {};
  const named = podContainers(pod);
  const statusesOf = (...kinds: ContainerKind[]): ContainerStatus[] =>
    named
      .filter(({ kind }) => kinds.includes(kind))
      .map((one) => containerStatus(snapshot, findings, one, terminal));
  const inits = statusesOf("init", "sidecar");
  const containers = statusesOf("app");
  const ephemeral = statusesOf("ephemeral");
  const phase = phaseOf(pod, inits, containers, terminal, verdict);
  const sandbox = snapshot.observed.sandboxes[0];
  const states = podConditions({
    pod,
    phase,
    containers,
    initContainers: inits,
    sandboxReady: sandbox?.ready === true,
    existing: before.conditions ?? [],
  });
  const generation = pod.metadata.generation;
  const reason = verdict ? verdict.reason : isTerminal(phase) ? before.reason : undefined;
  const message = verdict ? verdict.message : isTerminal(phase) ? before.message : undefined;
  const { reason: _, message: __, ...others } = before;
  return {
    ...others,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    phase,
    conditions: mergeConditions(before.conditions ?? [], states, now, generation),
    ...(reason ? { reason } : {}),
    ...(message ? { message } : {}),
    ...addresses(snapshot),
    startTime: before.startTime ?? timestamp(now),
    qosClass: before.qosClass ?? qosClass(pod),
    ...(inits.length > 0 ? { initContainerStatuses: inits } : {}),
    containerStatuses: containers,
    ...(ephemeral.length > 0 ? { ephemeralContainerStatuses: ephemeral } : {}),
  };
}

function isTerminal(phase: string | undefined): boolean {
  return phase === "Failed" || phase === "Succeeded";
}

/** A phase that was reported as final stays. */
function phaseOf(
  pod: Pod,
  inits: readonly ContainerStatus[],
  containers: readonly ContainerStatus[],
  terminal: boolean,
  verdict: Verdict | undefined,
): Phase {
  if (verdict) return verdict.phase;
  if (isTerminal(pod.status?.phase)) return pod.status?.phase as Phase;
  const phase = podPhase(pod, inits, containers, terminal);
  return terminal && !isTerminal(phase) ? "Failed" : phase;
}

function addresses(snapshot: PodSnapshot): Partial<PodStatus> {
  const { pod, hostIPs } = snapshot;
  const hosts = {
    ...(hostIPs[0] ? { hostIP: hostIPs[0] } : {}),
    hostIPs: hostIPs.map((ip) => ({ ip })),
  };
  const sandbox = snapshot.observed.sandboxes[0];
  const ips = pod.spec?.hostNetwork ? (sandbox ? hostIPs : []) : (sandbox?.ips ?? []);
  // A pod that has stopped keeps showing the address that it had.
  if (!sandbox?.ready && pod.status?.podIP) {
    return { ...hosts, podIP: pod.status.podIP, podIPs: pod.status.podIPs ?? [] };
  }
  if (ips.length === 0) return hosts;
  return { ...hosts, podIP: ips[0] as string, podIPs: ips.map((ip) => ({ ip })) };
}

function containerStatus(
  snapshot: PodSnapshot,
  findings: Findings,
  named: NamedContainer,
  terminal: boolean,
): ContainerStatus {
  const runs = snapshot.observed.containers.filter((one) => one.name === named.spec.name);
  const latest = runs[0];
  const before = reported(snapshot.pod, named);
  if (!latest) return withoutRun(snapshot, findings, named, before, terminal);
  const previous = runs.find((one, index) => index > 0 && one.state === "exited");
  const base = statusOfRun(snapshot, named, latest, before);
  const waiting = findings.waiting.get(named.spec.name);
  const restarting = snapshot.underWay.has(`start/${named.spec.name}`);
  if (latest.state === "exited" && !terminal) {
    const again = waiting ?? (restarting ? failureOf(snapshot, named) : undefined);
    if (again && restartsAfter(snapshot.pod, named, latest.exitCode)) {
      const ended = terminated(snapshot, latest);
      return { ...base, state: { waiting: again }, lastState: { terminated: ended } };
    }
  }
  return {
    ...base,
    lastState: previous
      ? { terminated: terminated(snapshot, previous) }
      : keptLastState(before, latest),
  };
}

function failureOf(snapshot: PodSnapshot, { spec }: NamedContainer): WaitingState | undefined {
  const failure = snapshot.failures[spec.name];
  return failure && waitingFor(failure);
}

/** How the run before ended may be known only to the API, when its remains were removed. */
function keptLastState(
  before: ContainerStatus | undefined,
  latest: ObservedContainer,
): ContainerStatus["lastState"] {
  return before?.restartCount === latest.restartCount ? (before.lastState ?? {}) : {};
}

function reported(pod: Pod, { spec }: NamedContainer): ContainerStatus | undefined {
  const status = pod.status;
  return [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
    ...(status?.ephemeralContainerStatuses ?? []),
  ].find((one) => one.name === spec.name);
}

/** Nothing of the container is on the node: it has yet to start, or it was lost. */
function withoutRun(
  snapshot: PodSnapshot,
  findings: Findings,
  named: NamedContainer,
  before: ContainerStatus | undefined,
  terminal: boolean,
): ContainerStatus {
  const { spec, kind } = named;
  const blank = {
    name: spec.name,
    ready: false,
    started: false,
    restartCount: before?.restartCount ?? 0,
    image: spec.image ?? "",
    imageID: before?.imageID ?? "",
  };
  if (before?.state?.terminated) return before;
  const gone =
    terminal || before?.state?.running
      ? { reason: "ContainerStatusUnknown", exitCode: 137 }
      : undefined;
  if (gone && terminal) {
    const message = "The container could not be located when the pod was terminated";
    return {
      ...blank,
      state: { terminated: { ...gone, message } },
      lastState: before?.lastState ?? {},
    };
  }
  const hasInit = (snapshot.pod.spec?.initContainers?.length ?? 0) > 0 && kind !== "ephemeral";
  const waiting = findings.waiting.get(spec.name) ??
    failureOf(snapshot, named) ?? { reason: hasInit ? "PodInitializing" : "ContainerCreating" };
  const message =
    "The container could not be located when the pod was deleted.  " +
    "The container used to be Running";
  const lastState = gone ? { terminated: { ...gone, message } } : (before?.lastState ?? {});
  return { ...blank, state: { waiting }, lastState };
}

function statusOfRun(
  snapshot: PodSnapshot,
  named: NamedContainer,
  run: ObservedContainer,
  before: ContainerStatus | undefined,
): ContainerStatus {
  const { spec, kind } = named;
  const completedInit = kind === "init" && run.state === "exited" && run.exitCode === 0;
  const resources = spec.resources?.requests || spec.resources?.limits ? spec.resources : undefined;
  return {
    name: spec.name,
    state: stateOfRun(snapshot, named, run, before),
    ready: completedInit || (kind !== "init" && isReady(snapshot, named, run)),
    started: hasStarted(snapshot, named, run),
    restartCount: run.restartCount,
    image: run.image || (spec.image ?? ""),
    imageID: run.imageID,
    containerID: containerID(snapshot, run),
    ...(resources?.requests ? { allocatedResources: resources.requests } : {}),
    ...(resources ? { resources } : {}),
  };
}

function stateOfRun(
  snapshot: PodSnapshot,
  named: NamedContainer,
  run: ObservedContainer,
  before: ContainerStatus | undefined,
): ContainerStatus["state"] {
  switch (run.state) {
    case "running":
      // Until its postStart hook is through, a container counts as being created.
      if (named.spec.lifecycle?.postStart && snapshot.underWay.has(`start/${named.spec.name}`)) {
        return { waiting: { reason: "ContainerCreating" } };
      }
      return { running: { startedAt: timestamp(run.startedAt) } };
    case "exited":
      return { terminated: terminated(snapshot, run) };
    case "created":
      return { waiting: failureOf(snapshot, named) ?? { reason: "ContainerCreating" } };
    case "unknown":
      return before?.state?.running
        ? { running: before.state.running }
        : { waiting: { reason: "ContainerCreating" } };
  }
}

function terminated(
  snapshot: PodSnapshot,
  run: ObservedContainer,
): NonNullable<NonNullable<ContainerStatus["state"]>["terminated"]> {
  const reason = run.reason || (run.exitCode === 0 ? "Completed" : "Error");
  return {
    exitCode: run.exitCode,
    reason,
    ...(run.message ? { message: run.message } : {}),
    startedAt: run.startedAt ? timestamp(run.startedAt) : timestamp(run.createdAt),
    finishedAt: timestamp(run.finishedAt || run.createdAt),
    containerID: containerID(snapshot, run),
  };
}

function containerID(snapshot: PodSnapshot, run: ObservedContainer): string {
  return `${snapshot.runtimeName}://${run.id}`;
}
