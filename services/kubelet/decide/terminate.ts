import { type Findings, graceSecondsOf, newFindings } from "./containers.ts";
import { podContainers } from "./spec.ts";
import type { KillContainer, ObservedContainer, PodSnapshot } from "./types.ts";

/** A container is given this long at least when the pod's own grace period is used up, seconds. */
const LAST_GRACE_SECONDS = 2;

/**
 * Takes a pod down for good: its containers with their grace period, sidecars after the others, the
 * sandboxes, the volumes; then the Pod object when its deletion was asked for.
 */
export function terminatePod(snapshot: PodSnapshot): Findings {
  const findings = newFindings();
  if (stopContainers(snapshot, findings, "delete")) return findings;
  const ready = snapshot.observed.sandboxes.filter((sandbox) => sandbox.ready);
  for (const sandbox of ready) findings.effects.push({ kind: "stopSandbox", id: sandbox.id });
  if (ready.length > 0) return findings;
  if (!snapshot.volumes.tornDown) findings.effects.push({ kind: "tearDown" });
  else if (deletionIsOurs(snapshot)) findings.effects.push({ kind: "deletePod" });
  return findings;
}

/** With a grace period of 0 the API server itself removes the object, behind its finalizers. */
function deletionIsOurs({ pod }: PodSnapshot): boolean {
  if (!pod.metadata.deletionTimestamp) return false;
  return pod.metadata.deletionGracePeriodSeconds !== 0;
}

/**
 * Kills what runs: ordinary containers together, then sidecars from the last to the first. True
 * while anything is still there. Behind the last container the sandbox goes as well, unless it is
 * to be replaced.
 */
export function stopContainers(
  snapshot: PodSnapshot,
  findings: Findings,
  cause: "delete" | "done" | "init" | "sandbox",
): boolean {
  const running = snapshot.observed.containers.filter((one) => one.state === "running");
  if (running.length === 0) {
    if (cause === "done" || cause === "init") {
      const ready = snapshot.observed.sandboxes.filter((sandbox) => sandbox.ready);
      for (const sandbox of ready) findings.effects.push({ kind: "stopSandbox", id: sandbox.id });
    }
    return false;
  }
  const sidecars = podContainers(snapshot.pod).filter((one) => one.kind === "sidecar");
  const isSidecar = (one: ObservedContainer) => sidecars.some(({ spec }) => spec.name === one.name);
  const first = running.filter((one) => !isSidecar(one));
  for (const container of first) findings.effects.push(killOf(snapshot, container, false));
  if (first.length === 0) {
    const order = sidecars.map(({ spec }) => spec.name).reverse();
    const next = order
      .map((name) => running.find((one) => one.name === name))
      .find((one) => one !== undefined);
    if (next) findings.effects.push(killOf(snapshot, next, true));
  }
  return true;
}

function killOf(
  snapshot: PodSnapshot,
  container: ObservedContainer,
  sidecar: boolean,
): KillContainer {
  return {
    kind: "killContainer",
    id: container.id,
    name: container.name,
    graceSeconds: graceSeconds(snapshot, sidecar),
    order: String(snapshot.pod.metadata.deletionGracePeriodSeconds ?? "stop"),
    message: `Stopping container ${container.name}`,
  };
}

/** Sidecars, stopped after the others, have what is left of the pod's time. */
function graceSeconds(snapshot: PodSnapshot, sidecar: boolean): number {
  const { metadata } = snapshot.pod;
  const asked = metadata.deletionGracePeriodSeconds ?? graceSecondsOf(snapshot.pod);
  if (!sidecar || !metadata.deletionTimestamp) return asked;
  const left = Math.ceil((Date.parse(metadata.deletionTimestamp) - snapshot.now) / 1000);
  return Math.min(asked, Math.max(left, LAST_GRACE_SECONDS));
}
