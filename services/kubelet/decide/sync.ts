import { type Findings, hasStarted, killReason, newest, newFindings, start } from "./containers.ts";
import { type NamedContainer, podContainers, restartsAfter } from "./spec.ts";
import { stopContainers } from "./terminate.ts";
import type { ObservedContainer, ObservedSandbox, PodSnapshot } from "./types.ts";

/**
 * What must be done so that the pod runs as its spec says: volumes, a sandbox, init containers one
 * after the other, then all others; what has ended is restarted by its policy and back-off, what
 * fails its probes is killed, and a pod whose work is done is taken down.
 */
export function syncPod(snapshot: PodSnapshot): Findings {
  const findings = newFindings();
  const containers = podContainers(snapshot.pod);
  prepareVolumes(snapshot, findings);
  const sandbox = snapshot.observed.sandboxes[0];
  if (!sandbox?.ready) {
    replaceSandbox(snapshot, findings, containers, sandbox);
    return findings;
  }
  const initialized = syncInit(snapshot, findings, containers, sandbox);
  if (findings.failed) {
    stopContainers(snapshot, findings, "init");
    return findings;
  }
  if (initialized) syncApps(snapshot, findings, containers, sandbox);
  if (!snapshot.volumes.ready) dropStarts(findings);
  return findings;
}

function prepareVolumes(snapshot: PodSnapshot, findings: Findings): void {
  if (snapshot.volumes.ready) return;
  const retryAt = snapshot.volumes.retryAt ?? 0;
  if (retryAt > snapshot.now) findings.dueAt = Math.min(findings.dueAt, retryAt);
  else findings.effects.push({ kind: "prepareVolumes" });
}

/** Nothing starts before its volumes are there. */
function dropStarts(findings: Findings): void {
  const kept = findings.effects.filter((effect) => effect.kind !== "startContainer");
  findings.effects.splice(0, findings.effects.length, ...kept);
}

/** There is no sandbox, or it has died: a new one, once nothing of the old pod runs any more. */
function replaceSandbox(
  snapshot: PodSnapshot,
  findings: Findings,
  containers: readonly NamedContainer[],
  old: ObservedSandbox | undefined,
): void {
  const running = snapshot.observed.containers.filter((one) => one.state === "running");
  if (running.length > 0) {
    stopContainers(snapshot, findings, "sandbox");
    return;
  }
  if (!containers.some((one) => wantsToRun(snapshot, one))) return;
  if (!snapshot.volumes.ready) return;
  const retryAt = snapshot.sandboxFailure?.retryAt ?? 0;
  if (retryAt > snapshot.now) {
    findings.dueAt = Math.min(findings.dueAt, retryAt);
    return;
  }
  const free = snapshot.sandboxFailure?.nextAttempt ?? 0;
  const attempt = Math.max(old ? old.attempt + 1 : 0, free);
  findings.effects.push({ kind: "createSandbox", attempt });
}

/** Whether the container would run if there were a sandbox. */
function wantsToRun(snapshot: PodSnapshot, named: NamedContainer): boolean {
  if (named.kind !== "app") return false;
  const latest = newest(snapshot, named.spec.name);
  if (latest?.state !== "exited") return !initFailed(snapshot);
  return restartsAfter(snapshot.pod, named, latest.exitCode);
}

function initFailed(snapshot: PodSnapshot): boolean {
  return podContainers(snapshot.pod).some((named) => {
    const latest = newest(snapshot, named.spec.name);
    return (
      named.kind === "init" &&
      latest?.state === "exited" &&
      latest.exitCode !== 0 &&
      !restartsAfter(snapshot.pod, named, latest.exitCode)
    );
  });
}

/** Init containers in order. True: all are done, and sidecars run. */
function syncInit(
  snapshot: PodSnapshot,
  findings: Findings,
  containers: readonly NamedContainer[],
  sandbox: ObservedSandbox,
): boolean {
  // Once an ordinary container was made in this sandbox, only sidecars are looked after.
  const begun = containers.some(
    (one) => one.kind === "app" && newest(snapshot, one.spec.name, sandbox.id),
  );
  for (const named of containers) {
    if (named.kind === "sidecar") {
      const started = syncSidecar(snapshot, findings, sandbox, named, begun);
      if (!started && !begun) return false;
    } else if (named.kind === "init" && !begun) {
      if (!syncInitContainer(snapshot, findings, sandbox, named)) return false;
    }
  }
  return true;
}

function syncSidecar(
  snapshot: PodSnapshot,
  findings: Findings,
  sandbox: ObservedSandbox,
  named: NamedContainer,
  begun: boolean,
): boolean {
  const latest = newest(snapshot, named.spec.name, sandbox.id);
  if (latest?.state === "running") {
    const kill = killReason(snapshot, named, latest);
    if (kill) findings.effects.push(kill);
    return hasStarted(snapshot, named, latest);
  }
  if (begun && appsAreDone(snapshot)) return false;
  start(snapshot, findings, sandbox, named, latest ?? newest(snapshot, named.spec.name));
  return false;
}

function syncInitContainer(
  snapshot: PodSnapshot,
  findings: Findings,
  sandbox: ObservedSandbox,
  named: NamedContainer,
): boolean {
  const latest = newest(snapshot, named.spec.name, sandbox.id);
  if (latest?.state === "exited" && latest.exitCode === 0) return true;
  if (latest?.state === "running") return false;
  if (latest?.state === "exited" && !restartsAfter(snapshot.pod, named, latest.exitCode)) {
    findings.failed = true;
    return false;
  }
  start(snapshot, findings, sandbox, named, latest ?? newest(snapshot, named.spec.name));
  return false;
}

function syncApps(
  snapshot: PodSnapshot,
  findings: Findings,
  containers: readonly NamedContainer[],
  sandbox: ObservedSandbox,
): void {
  if (appsAreDone(snapshot)) {
    // Ephemeral containers and sidecars end with the work that they accompany.
    stopContainers(snapshot, findings, "done");
    return;
  }
  for (const named of containers) {
    if (named.kind !== "app" && named.kind !== "ephemeral") continue;
    const latest = newest(snapshot, named.spec.name);
    if (!latest) start(snapshot, findings, sandbox, named, undefined);
    else syncApp(snapshot, findings, sandbox, named, latest);
  }
}

function syncApp(
  snapshot: PodSnapshot,
  findings: Findings,
  sandbox: ObservedSandbox,
  named: NamedContainer,
  latest: ObservedContainer,
): void {
  if (latest.state === "running") {
    const kill = killReason(snapshot, named, latest);
    if (kill) findings.effects.push(kill);
    return;
  }
  const again = latest.state !== "exited" || restartsAfter(snapshot.pod, named, latest.exitCode);
  if (again) start(snapshot, findings, sandbox, named, latest);
}

/** Every ordinary container has ended and none is to run again. */
function appsAreDone(snapshot: PodSnapshot): boolean {
  return podContainers(snapshot.pod).every((named) => {
    if (named.kind !== "app") return true;
    const latest = newest(snapshot, named.spec.name);
    return latest?.state === "exited" && !restartsAfter(snapshot.pod, named, latest.exitCode);
  });
}
