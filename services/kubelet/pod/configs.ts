import type { Container, Pod } from "../../../shared/api/generated/types.ts";
import { qosClass } from "../decide/qos.ts";
import { containerHash, podContainers } from "../decide/spec.ts";
import type {
  ContainerConfig,
  ContainerMount,
  ImageStatus,
  SandboxConfig,
} from "../runtimes/runtime.ts";
import { expand } from "./expansion.ts";
import { ANNOTATIONS, LABELS } from "./labels.ts";
import { type ClusterDns, podHostname, podResolver } from "./network.ts";
import { type KubeletPaths, logFile } from "./paths.ts";
import { containerResources } from "./resources.ts";
import {
  containerSecurity,
  isPrivileged,
  namespaceOptions,
  podGroups,
  seccompProfile,
} from "./security.ts";

/** What the node contributes to the configuration of its pods. */
export interface NodeSetup {
  readonly paths: KubeletPaths;
  readonly dns: ClusterDns;
  /** Parent of all pods' cgroups: `/kubepods`. */
  readonly cgroupRoot: string;
  readonly memoryCapacity: number;
}

/** The pod's cgroup, grouped by quality of service as upstream does. */
export function podCgroup(root: string, pod: Pod): string {
  const qos = qosClass(pod);
  const parent = qos === "Guaranteed" ? root : `${root}/${qos.toLowerCase()}`;
  return `${parent}/pod${pod.metadata.uid}`;
}

export function sandboxConfig(pod: Pod, attempt: number, setup: NodeSetup): SandboxConfig {
  const { name, namespace = "", uid = "" } = pod.metadata;
  const hostNetwork = pod.spec?.hostNetwork === true;
  const names = podHostname(pod, setup.dns.domain);
  const fqdn =
    pod.spec?.setHostnameAsFQDN && names.domain ? `${names.short}.${names.domain}` : names.short;
  const context = pod.spec?.securityContext;
  return {
    metadata: { name, uid, namespace, attempt },
    hostname: hostNetwork ? "" : fqdn,
    logDirectory: setup.paths.podLogs(namespace, name, uid),
    dnsConfig: podResolver(pod, setup.dns),
    portMappings: hostNetwork ? [] : portMappings(pod),
    labels: { ...pod.metadata.labels, ...podLabels(pod) },
    annotations: { ...pod.metadata.annotations },
    linux: {
      cgroupParent: podCgroup(setup.cgroupRoot, pod),
      ...(context?.sysctls
        ? {
            sysctls: Object.fromEntries(
              context.sysctls.map(({ name: key, value }) => [key, value]),
            ),
          }
        : {}),
      securityContext: {
        namespaceOptions: namespaceOptions(pod),
        ...(context?.runAsUser === undefined ? {} : { runAsUser: { value: context.runAsUser } }),
        ...(context?.runAsUser === undefined || context.runAsGroup === undefined
          ? {}
          : { runAsGroup: { value: context.runAsGroup } }),
        supplementalGroups: podGroups(pod),
        privileged: isPrivileged(pod),
        // The sandbox's own process does nothing but wait; it needs no more than the default.
        seccomp: seccompProfile({ type: "RuntimeDefault" }, setup.paths.seccomp),
      },
    },
  };
}

function podLabels(pod: Pod): Record<string, string> {
  return {
    [LABELS.podName]: pod.metadata.name,
    [LABELS.podNamespace]: pod.metadata.namespace ?? "",
    [LABELS.podUid]: pod.metadata.uid ?? "",
  };
}

function portMappings(pod: Pod): SandboxConfig["portMappings"] {
  return podContainers(pod)
    .flatMap(({ spec }) => spec.ports ?? [])
    .map((port) => ({
      protocol: (port.protocol ?? "TCP") as "TCP" | "UDP" | "SCTP",
      containerPort: port.containerPort,
      hostPort: port.hostPort ?? 0,
      hostIp: port.hostIP ?? "",
    }))
    .filter((port) => port.hostPort > 0);
}

export interface ContainerParts {
  readonly attempt: number;
  readonly restartCount: number;
  readonly backoffMs: number;
  /** The reference that the runtime knows the image by. */
  readonly imageRef: string;
  readonly image: ImageStatus | undefined;
  readonly environment: ReadonlyMap<string, string>;
  readonly mounts: readonly ContainerMount[];
  readonly terminationFile: string;
  /** The container whose processes an ephemeral container looks at. */
  readonly target?: string;
}

export function containerConfig(
  pod: Pod,
  container: Container,
  parts: ContainerParts,
  setup: NodeSetup,
): ContainerConfig {
  const lookUp = (name: string): string | undefined => parts.environment.get(name);
  const { restartCount } = parts;
  return {
    metadata: { name: container.name, attempt: parts.attempt },
    image: { image: parts.imageRef },
    command: (container.command ?? []).map((word) => expand(word, lookUp)),
    args: (container.args ?? []).map((word) => expand(word, lookUp)),
    workingDir: container.workingDir ?? "",
    envs: [...parts.environment].map(([key, value]) => ({ key, value })),
    mounts: parts.mounts,
    labels: { ...podLabels(pod), [LABELS.containerName]: container.name },
    annotations: {
      [ANNOTATIONS.hash]: containerHash(container),
      [ANNOTATIONS.restartCount]: String(restartCount),
      [ANNOTATIONS.terminationMessagePath]:
        container.terminationMessagePath ?? "/dev/termination-log",
      [ANNOTATIONS.terminationMessagePolicy]: container.terminationMessagePolicy ?? "File",
      [ANNOTATIONS.gracePeriod]: String(pod.spec?.terminationGracePeriodSeconds ?? 30),
      [ANNOTATIONS.backoffMs]: String(parts.backoffMs),
      [ANNOTATIONS.terminationFile]: parts.terminationFile,
    },
    logPath: logFile(container.name, restartCount),
    stdin: container.stdin === true,
    stdinOnce: container.stdinOnce === true,
    tty: container.tty === true,
    linux: {
      resources: containerResources(pod, container, setup.memoryCapacity),
      securityContext: containerSecurity(pod, container, parts.image, {
        seccompDirectory: setup.paths.seccomp,
        ...(parts.target ? { target: parts.target } : {}),
      }),
    },
  };
}
