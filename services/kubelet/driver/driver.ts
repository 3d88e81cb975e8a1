import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "../../../shared/api/generated/types.ts";
import { type KubeletContext, report } from "../context.ts";
import { podContainers } from "../decide/spec.ts";
import type { KillContainer, ObservedContainer, PodEffect } from "../decide/types.ts";
import { runHook } from "../lifecycle/hooks.ts";
import { sandboxConfig } from "../pod/configs.ts";
import { logFile } from "../pod/paths.ts";
import { startContainer } from "./start-container.ts";

/** A container is left this long at least after its preStop hook, seconds. */
const AFTER_HOOK_SECONDS = 2;
const REFERENCES_MS = 10_000;

/** Carries out what was decided for a pod, all but the deletion of its object. */
export async function carryOut(
  context: KubeletContext,
  pod: Pod,
  effect: PodEffect,
): Promise<void> {
  const uid = pod.metadata.uid ?? "";
  switch (effect.kind) {
    case "prepareVolumes":
      return prepareVolumes(context, pod);
    case "createSandbox":
      return createSandbox(context, pod, effect.attempt);
    case "stopSandbox":
      return context.runtime.stopSandbox(effect.id);
    case "removeSandbox":
      await context.runtime.stopSandbox(effect.id);
      return context.runtime.removeSandbox(effect.id);
    case "startContainer":
      return startContainer(context, pod, effect);
    case "killContainer":
      return killContainer(context, pod, effect);
    case "removeContainer":
      return removeContainer(context, pod, effect.id);
    case "tearDown":
      await context.volumes.tearDown(uid);
      return context.cgroups?.remove(uid);
    case "deletePod":
      return;
  }
}

/** Removes what is left of a pod on the disk. */
export async function cleanUp(context: KubeletContext, pod: Pod): Promise<void> {
  const { name, namespace = "", uid = "" } = pod.metadata;
  const { paths } = context.setup;
  await context.volumes.tearDown(uid);
  await context.cgroups?.remove(uid);
  await rm(paths.pod(uid), { recursive: true, force: true });
  await rm(paths.podLogs(namespace, name, uid), { recursive: true, force: true });
}

async function prepareVolumes(context: KubeletContext, pod: Pod): Promise<void> {
  const { uid = "", namespace = "" } = pod.metadata;
  await mkdir(context.setup.paths.pod(uid), { recursive: true });
  await context.references.known(uid, REFERENCES_MS);
  const facts = { pod, podIPs: [], node: context.node };
  await context.volumes.setUp(facts, context.references.source(namespace));
}

async function createSandbox(context: KubeletContext, pod: Pod, attempt: number): Promise<void> {
  const { uid = "" } = pod.metadata;
  // The networks of sandboxes that have died are released before there is a new one.
  for (const { id } of context.observer.pod(uid).sandboxes) await context.runtime.stopSandbox(id);
  await context.cgroups?.ensure(pod);
  const config = sandboxConfig(pod, attempt, context.setup);
  await mkdir(config.logDirectory, { recursive: true, mode: 0o755 });
  await context.runtime.runSandbox(config);
}

async function killContainer(
  context: KubeletContext,
  pod: Pod,
  effect: KillContainer,
): Promise<void> {
  const named = podContainers(pod).find(({ spec }) => spec.name === effect.name);
  const fieldPath = named?.fieldPath;
  report(context, pod, {
    type: "Normal",
    reason: "Killing",
    message: effect.message,
    ...(fieldPath ? { fieldPath } : {}),
  });
  let grace = effect.graceSeconds;
  const hook = named?.spec.lifecycle?.preStop;
  if (named && hook && grace > 0) {
    const spent = await preStop(context, pod, effect);
    grace = Math.max(Math.ceil(grace - spent), AFTER_HOOK_SECONDS);
  }
  await context.runtime.stopContainer(effect.id, grace);
}

/** Runs the hook within the grace period; answers how long it took, seconds. */
async function preStop(context: KubeletContext, pod: Pod, effect: KillContainer): Promise<number> {
  const { runtime, environment, observer } = context;
  const named = podContainers(pod).find(({ spec }) => spec.name === effect.name);
  const hook = named?.spec.lifecycle?.preStop;
  if (!named || !hook) return 0;
  const begun = environment.clock.monotonic();
  const podIP =
    observer.pod(pod.metadata.uid ?? "").sandboxes[0]?.ips[0] ?? context.node.hostIPs[0] ?? "";
  const target = { runtime, environment, containerId: effect.id, container: named.spec, podIP };
  let cancel = (): void => undefined;
  const over = new Promise<void>((resolve) => {
    cancel = environment.timers.after(effect.graceSeconds * 1000, resolve);
  });
  try {
    await Promise.race([runHook(target, hook), over]);
  } catch {
    report(context, pod, {
      type: "Warning",
      reason: "FailedPreStopHook",
      message: "PreStopHook failed",
      fieldPath: named.fieldPath,
    });
  } finally {
    cancel();
  }
  return (environment.clock.monotonic() - begun) / 1000;
}

async function removeContainer(context: KubeletContext, pod: Pod, id: string): Promise<void> {
  const { name, namespace = "", uid = "" } = pod.metadata;
  const known: ObservedContainer | undefined = context.observer
    .pod(uid)
    .containers.find((one) => one.id === id);
  await context.runtime.removeContainer(id);
  if (!known) return;
  const folder = context.setup.paths.podLogs(namespace, name, uid);
  await rm(join(folder, logFile(known.name, known.restartCount)), { force: true });
  await rm(context.setup.paths.terminationMessage(uid, known.name, known.restartCount), {
    force: true,
  });
}
