import { join } from "node:path";
import type { Container, Pod, SecurityContext } from "../../../shared/api/generated/types.ts";
import { podTitle } from "../decide/spec.ts";
import type {
  ContainerSecurity,
  ImageStatus,
  NamespaceOptions,
  SeccompProfile,
} from "../runtimes/runtime.ts";
import { ContainerConfigError } from "./environment.ts";

const MASKED_PATHS = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];
const READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/** Which namespaces a container shares; `target` is the container whose processes it may see. */
export function namespaceOptions(pod: Pod, target?: string): NamespaceOptions {
  const spec = pod.spec;
  const pid = spec?.hostPID ? "NODE" : spec?.shareProcessNamespace ? "POD" : "CONTAINER";
  return {
    network: spec?.hostNetwork ? "NODE" : "POD",
    ipc: spec?.hostIPC ? "NODE" : "POD",
    pid: target ? "TARGET" : pid,
    ...(target ? { targetId: target } : {}),
  };
}

/** Whether any container of the pod is privileged; its sandbox must be, then. */
export function isPrivileged(pod: Pod): boolean {
  const spec = pod.spec;
  return [
    ...(spec?.initContainers ?? []),
    ...(spec?.containers ?? []),
    ...(spec?.ephemeralContainers ?? []),
  ].some((container) => container.securityContext?.privileged === true);
}

/** The groups that every process of the pod is in. */
export function podGroups(pod: Pod): number[] {
  const context = pod.spec?.securityContext;
  const groups = [...(context?.supplementalGroups ?? [])];
  if (context?.fsGroup !== undefined) groups.push(context.fsGroup);
  return [...new Set(groups)];
}

/**
 * The container's security settings, its own before the pod's. @throws ContainerConfigError when it
 * would run as root against its own rule.
 */
export function containerSecurity(
  pod: Pod,
  container: Container,
  image: ImageStatus | undefined,
  options: { seccompDirectory: string; target?: string },
): ContainerSecurity {
  const own: SecurityContext = container.securityContext ?? {};
  const shared = pod.spec?.securityContext ?? {};
  const user = own.runAsUser ?? shared.runAsUser;
  const group = own.runAsGroup ?? shared.runAsGroup;
  if (own.runAsNonRoot ?? shared.runAsNonRoot) mustNotBeRoot(pod, container, user, image);
  const privileged = own.privileged === true;
  const open = privileged || own.procMount === "Unmasked";
  const seccomp = seccompProfile(
    own.seccompProfile ?? shared.seccompProfile,
    options.seccompDirectory,
  );
  // A group can only be given together with a user; without one it is the image's.
  const effectiveUser = user ?? (group === undefined ? undefined : (image?.uid ?? 0));
  return {
    privileged,
    namespaceOptions: namespaceOptions(pod, options.target),
    ...(own.capabilities
      ? {
          capabilities: {
            addCapabilities: own.capabilities.add ?? [],
            dropCapabilities: own.capabilities.drop ?? [],
          },
        }
      : {}),
    ...(effectiveUser === undefined ? {} : { runAsUser: { value: effectiveUser } }),
    ...(group === undefined ? {} : { runAsGroup: { value: group } }),
    readonlyRootfs: own.readOnlyRootFilesystem === true,
    supplementalGroups: podGroups(pod),
    noNewPrivs: own.allowPrivilegeEscalation === false,
    maskedPaths: open ? [] : MASKED_PATHS,
    readonlyPaths: open ? [] : READONLY_PATHS,
    ...(seccomp && !privileged ? { seccomp } : {}),
  };
}

/** Without a profile a container runs unconfined, as upstream's default has it. */
export function seccompProfile(
  profile: SecurityContext["seccompProfile"],
  directory: string,
): SeccompProfile {
  if (profile?.type === "RuntimeDefault") return { profileType: "RuntimeDefault" };
  if (profile?.type === "Localhost") {
    const localhostRef = join(directory, profile.localhostProfile ?? "");
    return { profileType: "Localhost", localhostRef };
  }
  return { profileType: "Unconfined" };
}

function mustNotBeRoot(
  pod: Pod,
  container: Container,
  user: number | undefined,
  image: ImageStatus | undefined,
): void {
  const where = `(pod: "${podTitle(pod)}", container: ${container.name})`;
  if (user !== undefined) {
    if (user !== 0) return;
    throw new ContainerConfigError(`container's runAsUser breaks non-root policy ${where}`);
  }
  if (image?.uid !== undefined && image.uid !== 0) return;
  if (image?.uid === undefined && image?.username) {
    throw new ContainerConfigError(
      `container has runAsNonRoot and image has non-numeric user (${image.username}), ` +
        `cannot verify user is non-root ${where}`,
    );
  }
  throw new ContainerConfigError(`container has runAsNonRoot and image will run as root ${where}`);
}
