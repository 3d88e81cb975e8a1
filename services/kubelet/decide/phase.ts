import type { Container, ContainerStatus, Pod } from "../../../shared/api/generated/types.ts";
import { isRestartableInit } from "./spec.ts";

export type Phase = "Pending" | "Running" | "Succeeded" | "Failed" | "Unknown";

/**
 * The pod's phase from the states of its containers, by upstream's rules. `terminal` says that the
 * pod is being stopped for good (deleted, evicted, past its deadline), so that nothing restarts.
 */
export function podPhase(
  pod: Pod,
  initStatuses: readonly ContainerStatus[],
  statuses: readonly ContainerStatus[],
  terminal = false,
): Phase {
  const spec = pod.spec;
  const policy = spec?.restartPolicy ?? "Always";
  if (initPhase(spec?.initContainers ?? [], initStatuses, policy) === "failed") return "Failed";
  const counts = count(spec?.containers ?? [], statuses);
  const initPending =
    initPhase(spec?.initContainers ?? [], initStatuses, policy) === "pending" &&
    counts.running + counts.stopped === 0;
  if (initPending) return "Pending";
  if (counts.waiting > 0) return "Pending";
  if (counts.running > 0 && counts.unknown === 0) return "Running";
  if (counts.running === 0 && counts.stopped > 0 && counts.unknown === 0) {
    if (terminal) return counts.stopped === counts.succeeded ? "Succeeded" : "Failed";
    if (policy === "Always") return "Running";
    // A sidecar that still runs keeps the pod Running until it has been stopped.
    if (sidecarRuns(spec?.initContainers ?? [], initStatuses)) return "Running";
    if (counts.stopped === counts.succeeded) return "Succeeded";
    return policy === "Never" ? "Failed" : "Running";
  }
  return "Pending";
}

interface Counts {
  running: number;
  waiting: number;
  stopped: number;
  succeeded: number;
  unknown: number;
}

function count(specs: readonly Container[], statuses: readonly ContainerStatus[]): Counts {
  const counts: Counts = { running: 0, waiting: 0, stopped: 0, succeeded: 0, unknown: 0 };
  for (const spec of specs) {
    const status = statuses.find((one) => one.name === spec.name);
    if (status?.state?.running) counts.running++;
    else if (status?.state?.terminated) {
      counts.stopped++;
      if (status.state.terminated.exitCode === 0) counts.succeeded++;
    } else if (status?.state?.waiting) {
      // Waiting after it has run once is between two runs.
      if (status.lastState?.terminated) counts.stopped++;
      else counts.waiting++;
    } else counts.unknown++;
  }
  return counts;
}

function initPhase(
  specs: readonly Container[],
  statuses: readonly ContainerStatus[],
  policy: string,
): "done" | "pending" | "failed" {
  let pending = false;
  for (const spec of specs) {
    const status = statuses.find((one) => one.name === spec.name);
    if (isRestartableInit(spec)) {
      if (status?.started !== true && !status?.state?.terminated) pending = true;
      continue;
    }
    const exit = (status?.state?.terminated ?? status?.lastState?.terminated)?.exitCode;
    if (exit === undefined || status?.state?.running) pending = true;
    else if (exit !== 0) {
      if (policy === "Never") return "failed";
      pending = true;
    }
  }
  return pending ? "pending" : "done";
}

function sidecarRuns(specs: readonly Container[], statuses: readonly ContainerStatus[]): boolean {
  return specs.some(
    (spec) =>
      isRestartableInit(spec) && statuses.find((one) => one.name === spec.name)?.state?.running,
  );
}
