import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { EphemeralContainer, Pod, Secret } from "../../../shared/api/generated/types.ts";
import { type KubeletContext, report } from "../context.ts";
import { newestContainer } from "../decide/containers.ts";
import { type NamedContainer, podContainers } from "../decide/spec.ts";
import type { ObservedPod, StartContainer } from "../decide/types.ts";
import { ImageError } from "../images/puller.ts";
import { runHook } from "../lifecycle/hooks.ts";
import { containerConfig, sandboxConfig } from "../pod/configs.ts";
import { ContainerConfigError, containerEnvironment } from "../pod/environment.ts";
import type { PodFacts } from "../pod/fields.ts";
import { containerMounts } from "../pod/mounts.ts";
import { hostNetworkHosts, podHostname, podHosts } from "../pod/network.ts";
import { type ContainerConfig, type ImageStatus, RuntimeError } from "../runtimes/runtime.ts";

/** A container could not be started; the waiting state shows the reason and the message. */
export class StartError extends Error {
  readonly reason: string;
  readonly retryAt: number;
  /** Id of the container that the runtime made, but refuses to run. */
  readonly refused: string | undefined;
  constructor(
    reason: string,
    message: string,
    retryAt: number,
    { refused, ...options }: ErrorOptions & { refused?: string } = {},
  ) {
    super(message, options);
    this.name = new.target.name;
    this.reason = reason;
    this.retryAt = retryAt;
    this.refused = refused;
  }
}

const RETRY_MS = 10_000;
/** A runtime that is away, or still holds an attempt that was broken off, is asked again soon. */
const SOON_MS = 300;
/** How long a start waits to learn what the pod's references hold. */
const REFERENCES_MS = 10_000;

/** Gets the image, makes the container, starts it, runs its postStart hook. @throws StartError. */
export async function startContainer(
  context: KubeletContext,
  pod: Pod,
  effect: StartContainer,
): Promise<void> {
  const named = podContainers(pod).find(({ spec }) => spec.name === effect.name);
  if (!named) return;
  const id = effect.created ?? (await createContainer(context, pod, named, effect));
  try {
    await context.runtime.startContainer(id);
  } catch (error) {
    const { reason, message, retryAt } = failed(context, pod, named, "RunContainerError", error);
    const refused = isPassing(error) ? {} : { refused: id };
    throw new StartError(reason, message, retryAt, refused);
  }
  report(context, pod, {
    type: "Normal",
    reason: "Started",
    message: "Container started",
    fieldPath: named.fieldPath,
  });
  await postStart(context, pod, named, id);
}

async function createContainer(
  context: KubeletContext,
  pod: Pod,
  named: NamedContainer,
  effect: StartContainer,
): Promise<string> {
  const image = await obtainImage(context, pod, named);
  const observed = context.observer.pod(pod.metadata.uid ?? "");
  let config: ContainerConfig;
  try {
    config = await configure(context, pod, named, effect, image, observed);
  } catch (error) {
    const reason =
      error instanceof ContainerConfigError ? "CreateContainerConfigError" : "CreateContainerError";
    throw failed(context, pod, named, reason, error);
  }
  try {
    const sandbox = observed.sandboxes.find(({ id }) => id === effect.sandbox);
    const parent = sandboxConfig(pod, sandbox?.attempt ?? 0, context.setup);
    const id = await context.runtime.createContainer(effect.sandbox, config, parent);
    report(context, pod, {
      type: "Normal",
      reason: "Created",
      message: "Container created",
      fieldPath: named.fieldPath,
    });
    return id;
  } catch (error) {
    throw failed(context, pod, named, "CreateContainerError", error);
  }
}

function failed(
  context: KubeletContext,
  pod: Pod,
  { fieldPath }: NamedContainer,
  reason: string,
  error: unknown,
): StartError {
  const message = error instanceof Error ? error.message : String(error);
  const now = context.environment.clock.now();
  if (isPassing(error)) {
    return new StartError("ContainerCreating", "", now + SOON_MS, { cause: error });
  }
  report(context, pod, {
    type: "Warning",
    reason: "Failed",
    message: `Error: ${message}`,
    fieldPath,
  });
  return new StartError(reason, message, now + RETRY_MS);
}

/** What says something about the runtime's state only, and nothing about the container. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof RuntimeError)) return false;
  const { code, message } = error;
  if (code === "unavailable" || isReserved(error)) return true;
  // It is being started already, on behalf of a kubelet that has died, or that has just failed.
  if (/container is (already )?in \w+ state/.test(message)) return true;
  // The sandbox is being taken down: its process is gone, though it still counts as ready.
  return message.includes("/proc/0/");
}

/** The runtime still holds an attempt of that number. */
export function isReserved(error: unknown): boolean {
  return error instanceof RuntimeError && error.message.includes("is reserved for");
}

async function obtainImage(
  context: KubeletContext,
  pod: Pod,
  { spec, fieldPath }: NamedContainer,
): Promise<ImageStatus> {
  const uid = pod.metadata.uid ?? "";
  await context.references.known(uid, REFERENCES_MS);
  const source = context.references.source(pod.metadata.namespace ?? "");
  const secrets = (pod.spec?.imagePullSecrets ?? [])
    .map(({ name }) => source.secret(name ?? ""))
    .filter((secret): secret is Secret => secret !== undefined);
  try {
    return await context.images.obtain({
      podUid: uid,
      image: spec.image ?? "",
      policy: spec.imagePullPolicy,
      secrets,
      report: (type, reason, message) => report(context, pod, { type, reason, message, fieldPath }),
    });
  } catch (error) {
    if (error instanceof ImageError)
      throw new StartError(error.reason, error.message, error.retryAt);
    throw failed(context, pod, { spec, fieldPath, kind: "app" }, "ImageInspectError", error);
  }
}

async function configure(
  context: KubeletContext,
  pod: Pod,
  { spec }: NamedContainer,
  effect: StartContainer,
  image: ImageStatus,
  observed: ObservedPod,
): Promise<ContainerConfig> {
  const { setup, node, volumes } = context;
  const { uid = "", namespace = "" } = pod.metadata;
  const hostNetwork = pod.spec?.hostNetwork === true;
  const podIPs = hostNetwork ? node.hostIPs : (observed.sandboxes[0]?.ips ?? []);
  const facts: PodFacts = { pod, podIPs, node };
  const environment = containerEnvironment(facts, spec, {
    ...context.references.source(namespace),
    services: context.services(),
  });
  const terminationFile = setup.paths.terminationMessage(uid, spec.name, effect.restartCount);
  await writeShared(terminationFile, "", 0o666);
  const etcHosts = await writeHosts(context, pod, podIPs);
  const mounts = await containerMounts(pod, spec, {
    environment,
    etcHosts,
    terminationFile,
    volume: (name) => {
      const volume = pod.spec?.volumes?.find((one) => one.name === name);
      return volume && { path: volumes.path(pod, volume), readOnly: isReadOnly(volume) };
    },
  });
  const targetName = (spec as EphemeralContainer).targetContainerName;
  const target = targetName ? newestContainer(observed, targetName) : undefined;
  return containerConfig(
    pod,
    spec,
    {
      attempt: effect.attempt,
      restartCount: effect.restartCount,
      backoffMs: effect.backoffMs,
      imageRef: image.id,
      image,
      environment,
      mounts,
      terminationFile,
      ...(target?.state === "running" ? { target: target.id } : {}),
    },
    setup,
  );
}

/** Volumes that the kubelet fills are not for containers to write. */
function isReadOnly(volume: NonNullable<NonNullable<Pod["spec"]>["volumes"]>[number]): boolean {
  return Boolean(volume.configMap || volume.secret || volume.projected || volume.downwardAPI);
}

async function writeHosts(
  context: KubeletContext,
  pod: Pod,
  podIPs: readonly string[],
): Promise<string> {
  const { paths, dns } = context.setup;
  const path = paths.etcHosts(pod.metadata.uid ?? "");
  const text = pod.spec?.hostNetwork
    ? hostNetworkHosts(pod, await readFile("/etc/hosts", "utf8").catch(() => ""))
    : podHosts(pod, podIPs, podHostname(pod, dns.domain));
  await writeShared(path, text, 0o644);
  return path;
}

/** Written in place: containers that run already have this very file mounted. */
async function writeShared(path: string, text: string, mode: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const present = await readFile(path, "utf8").catch(() => undefined);
  if (present !== text || text === "") await writeFile(path, text);
  await chmod(path, mode);
}

async function postStart(
  context: KubeletContext,
  pod: Pod,
  named: NamedContainer,
  id: string,
): Promise<void> {
  const handler = named.spec.lifecycle?.postStart;
  if (!handler) return;
  const { runtime, environment, observer } = context;
  const podIP =
    observer.pod(pod.metadata.uid ?? "").sandboxes[0]?.ips[0] ?? context.node.hostIPs[0] ?? "";
  const target = { runtime, environment, containerId: id, container: named.spec, podIP };
  try {
    await runHook(target, handler);
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    report(context, pod, {
      type: "Warning",
      reason: "FailedPostStartHook",
      message: `PostStartHook failed`,
      fieldPath: named.fieldPath,
    });
    context.logger.warn(
      { pod: pod.metadata.name, container: named.spec.name, cause },
      "postStart hook failed",
    );
    await runtime.stopContainer(id, pod.spec?.terminationGracePeriodSeconds ?? 30);
    throw new StartError("PostStartHookError", `PostStartHook failed: ${cause}`, 0);
  }
}
