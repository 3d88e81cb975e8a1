/** What a pod or a node that does not serve is waiting for, in a few words. */
import type { ContainerStatus, Node, Pod } from "../../../../shared/api/generated/types.ts";
import { conditionOf, isReady } from "../../../controllers/lib/pods.ts";

/** Why the pod is not ready; nothing when it is. */
export function podTroubles(pod: Pod): string[] {
  if (isReady(pod)) return [];
  if (pod.metadata.deletionTimestamp) return ["is being deleted"];
  const { phase, reason, message } = pod.status ?? {};
  if (phase === "Failed" || phase === "Succeeded") {
    return [[`has ended (${phase})`, reason, message].filter(Boolean).join(": ")];
  }
  if (!pod.spec?.nodeName) {
    const scheduled = conditionOf(pod, "PodScheduled");
    return [`has no node: ${scheduled?.message ?? "the scheduler has not decided yet"}`];
  }
  const statuses = [
    ...(pod.status?.initContainerStatuses ?? []),
    ...(pod.status?.containerStatuses ?? []),
  ];
  const troubles = statuses.flatMap((status) => containerTrouble(status));
  if (troubles.length > 0) return troubles;
  const ready = conditionOf(pod, "Ready");
  return [ready?.message ?? `waits for its node ${pod.spec.nodeName} to start it`];
}

function containerTrouble(status: ContainerStatus): string[] {
  const { name, state, lastState, restartCount = 0, ready } = status;
  if (ready) return [];
  const last = lastState?.terminated;
  const before =
    last === undefined ? "" : `; it ended ${restartCount} times, last with ${endOf(last)}`;
  if (state?.waiting) {
    const { reason = "waiting", message = "" } = state.waiting;
    return [`container ${name}: ${[reason, message].filter(Boolean).join(": ")}${before}`];
  }
  if (state?.terminated) {
    if (state.terminated.exitCode === 0) return [];
    return [`container ${name}: ended with ${endOf(state.terminated)}`];
  }
  return state?.running ? [`container ${name}: runs, but is not ready${before}`] : [];
}

function endOf({ exitCode, reason }: { exitCode: number; reason?: string }): string {
  return `exit code ${exitCode}${reason ? ` (${reason})` : ""}`;
}

/** Why the node takes no pods; nothing when it does. */
export function nodeTroubles({ spec, status }: Node): string[] {
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  const troubles: string[] = [];
  if (ready === undefined) troubles.push("its agent has not reported yet");
  else if (ready.status !== "True") {
    troubles.push(`is not ready: ${[ready.reason, ready.message].filter(Boolean).join(": ")}`);
  }
  if (spec?.unschedulable) troubles.push("is cordoned: it takes no new pods");
  for (const { key, value, effect } of spec?.taints ?? []) {
    troubles.push(`has the taint ${key}${value ? `=${value}` : ""}:${effect}`);
  }
  return troubles;
}
