import type { ContainerState, ContainerStatus, Pod } from "../../../shared/api/generated/types.ts";
import { AGE, age, column, NAME, NONE, type Printer, since, wide } from "./column.ts";

const NODE_UNREACHABLE = "NodeLost";

export const pods: Printer<Pod> = {
  columns: [
    NAME,
    column("Ready", "string", "Ready containers out of all containers that keep running."),
    column("Status", "string", "What the pod is doing, summed up over its containers."),
    column("Restarts", "string", "How often containers were restarted, and when last."),
    AGE,
    wide("IP", "string", "The pod's first address."),
    wide("Node", "string", "The node that the pod runs on."),
    wide("Nominated Node", "string", "The node whose pods give way for this pod."),
    wide("Readiness Gates", "string", "Readiness gates that are met, out of all."),
  ],
  cells(pod, now) {
    const { ready, total, status, restarts } = summarize(pod, now);
    return [
      pod.metadata.name,
      `${ready}/${total}`,
      status,
      restarts,
      age(pod, now),
      pod.status?.podIPs?.[0]?.ip || NONE,
      pod.spec?.nodeName || NONE,
      pod.status?.nominatedNodeName || NONE,
      readinessGates(pod),
    ];
  },
  conditions(pod) {
    if (pod.status?.phase === "Succeeded") return SUCCEEDED;
    return pod.status?.phase === "Failed" ? FAILED : undefined;
  },
};

const COMPLETED = { type: "Completed", status: "True" };
const SUCCEEDED = [
  { ...COMPLETED, reason: "Succeeded", message: "The pod has completed successfully." },
];
const FAILED = [{ ...COMPLETED, reason: "Failed", message: "The pod failed." }];

interface Summary {
  readonly ready: number;
  readonly total: number;
  readonly status: string;
  readonly restarts: string;
}

/** Restarts so far, and the end of the last run that was followed by one. */
class Restarts {
  count = 0;
  last = "";

  add(container: ContainerStatus): void {
    this.count += container.restartCount;
    const finished = container.lastState?.terminated?.finishedAt;
    if (finished && (!this.last || Date.parse(finished) > Date.parse(this.last))) {
      this.last = finished;
    }
  }

  print(now: number): string {
    if (this.count === 0 || !this.last) return String(this.count);
    return `${this.count} (${since(this.last, now)} ago)`;
  }
}

function summarize(pod: Pod, now: number): Summary {
  const sidecars = new Set<string>();
  for (const container of pod.spec?.initContainers ?? []) {
    if (container.restartPolicy === "Always") sidecars.add(container.name);
  }
  const init = summarizeInit(pod, sidecars);
  let status = init.status ?? phaseOf(pod);
  let ready = init.ready;
  let restarts = init.restarts;
  if (init.status === undefined || hasCondition(pod, "Initialized")) {
    const main = summarizeContainers(pod, init.sidecarRestarts);
    status = main.status ?? status;
    ready += main.ready;
    restarts = init.sidecarRestarts;
    if (status === "Completed" && main.ready > 0) {
      status = hasCondition(pod, "Ready") ? "Running" : "NotReady";
    }
  }
  return {
    ready,
    total: (pod.spec?.containers.length ?? 0) + sidecars.size,
    status: deletionStatus(pod) ?? status,
    restarts: restarts.print(now),
  };
}

function phaseOf(pod: Pod): string {
  const gated = pod.status?.conditions?.some(
    ({ type, reason }) => type === "PodScheduled" && reason === "SchedulingGated",
  );
  if (gated) return "SchedulingGated";
  return pod.status?.reason || pod.status?.phase || "";
}

function deletionStatus(pod: Pod): string | undefined {
  if (!pod.metadata.deletionTimestamp) return undefined;
  if (pod.status?.reason === NODE_UNREACHABLE) return "Unknown";
  const phase = pod.status?.phase;
  return phase === "Succeeded" || phase === "Failed" ? undefined : "Terminating";
}

interface InitSummary {
  /** What initialization waits for or failed on; undefined when it is over. */
  readonly status: string | undefined;
  readonly ready: number;
  readonly restarts: Restarts;
  readonly sidecarRestarts: Restarts;
}

function summarizeInit(pod: Pod, sidecars: ReadonlySet<string>): InitSummary {
  const restarts = new Restarts();
  const sidecarRestarts = new Restarts();
  const total = pod.spec?.initContainers?.length ?? 0;
  let ready = 0;
  let status: string | undefined;
  for (const [index, container] of (pod.status?.initContainerStatuses ?? []).entries()) {
    restarts.add(container);
    const sidecar = sidecars.has(container.name);
    if (sidecar) sidecarRestarts.add(container);
    if (container.state?.terminated?.exitCode === 0) continue;
    if (sidecar && container.started) {
      if (container.ready) ready++;
      continue;
    }
    status = `Init:${initStatus(container.state) ?? `${index}/${total}`}`;
    break;
  }
  return { status, ready, restarts, sidecarRestarts };
}

function initStatus(state: ContainerState | undefined): string | undefined {
  if (state?.terminated) return terminationOf(state.terminated);
  const waiting = state?.waiting?.reason;
  return waiting && waiting !== "PodInitializing" ? waiting : undefined;
}

function terminationOf(terminated: NonNullable<ContainerState["terminated"]>): string {
  if (terminated.reason) return terminated.reason;
  return terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode}`;
}

/** The first container that does not simply run tells the status. */
function summarizeContainers(
  pod: Pod,
  restarts: Restarts,
): { status: string | undefined; ready: number } {
  let status: string | undefined;
  let ready = 0;
  for (const container of pod.status?.containerStatuses?.toReversed() ?? []) {
    restarts.add(container);
    const { waiting, terminated, running } = container.state ?? {};
    if (waiting?.reason) status = waiting.reason;
    else if (terminated) status = terminationOf(terminated);
    else if (container.ready && running) ready++;
  }
  return { status, ready };
}

function hasCondition(pod: Pod, name: string): boolean {
  return (
    pod.status?.conditions?.some(({ type, status }) => type === name && status === "True") ?? false
  );
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec?.readinessGates ?? [];
  if (gates.length === 0) return NONE;
  const met = gates.filter(({ conditionType }) => hasCondition(pod, conditionType)).length;
  return `${met}/${gates.length}`;
}
