import type { Affinity, Pod, Toleration } from "../../shared/api/generated/types.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { type Amounts, podRequests } from "../../shared/api/pod-requests.ts";

export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

/** For scoring, upstream takes this where a pod asks for nothing: a tenth of a core, 200 MiB. */
const ASSUMED_CPU = 100;
const ASSUMED_MEMORY = 200 * 1024 * 1024;

/** What the scheduler needs of a version of a pod, taken from it once. */
export class PodInfo {
  readonly pod: Pod;
  readonly uid: string;
  readonly requests: Amounts;
  /** Parts of `requests`, and what is assumed of them for scoring. */
  readonly cpu: number;
  readonly memory: number;
  readonly assumedCpu: number;
  readonly assumedMemory: number;
  readonly hostPorts: readonly HostPort[];
  readonly tolerations: readonly Toleration[];
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly affinity: Affinity | undefined;
  /** uid of the controller whose pods are to be spread; "" for a pod of its own. */
  readonly owner: string;
  #signature: string | undefined;

  /** `like`: an earlier version of the pod with the same specification. */
  constructor(pod: Pod, like?: PodInfo) {
    this.pod = pod;
    this.uid = pod.metadata.uid as string;
    this.requests = like?.requests ?? podRequests(pod);
    this.cpu = this.requests.get("cpu") ?? 0;
    this.memory = this.requests.get("memory") ?? 0;
    this.assumedCpu = this.cpu || ASSUMED_CPU;
    this.assumedMemory = this.memory || ASSUMED_MEMORY;
    this.hostPorts = like?.hostPorts ?? hostPortsOf(pod);
    this.tolerations = pod.spec?.tolerations ?? [];
    this.nodeSelector = pod.spec?.nodeSelector ?? {};
    this.affinity = pod.spec?.affinity;
    const controller = pod.metadata.ownerReferences?.find((owner) => owner.controller === true);
    this.owner = controller?.uid ?? "";
  }

  /**
   * Pods with the same signature fit the same nodes, and score the same, wherever no pod chooses
   * its neighbours.
   */
  get signature(): string {
    this.#signature ??= JSON.stringify([
      [...this.requests],
      this.hostPorts,
      this.tolerations,
      this.nodeSelector,
      this.affinity ?? null,
      this.owner,
      this.pod.spec?.nodeName ?? "",
    ]);
    return this.#signature;
  }

  /** Asks for more of a node than cpu, memory and a place. */
  get isPicky(): boolean {
    const { nodeName, topologySpreadConstraints = [] } = this.pod.spec ?? {};
    if (nodeName || topologySpreadConstraints.length > 0) return true;
    if (this.affinity !== undefined || this.hostPorts.length > 0) return true;
    for (const resource of this.requests.keys()) {
      if (resource !== "cpu" && resource !== "memory") return true;
    }
    return Object.keys(this.nodeSelector).length > 0;
  }

  /** Where it may run depends on what runs on other nodes. */
  get looksAround(): boolean {
    if ((this.pod.spec?.topologySpreadConstraints?.length ?? 0) > 0) return true;
    const { podAffinity, podAntiAffinity } = this.affinity ?? {};
    return podAffinity !== undefined || podAntiAffinity !== undefined;
  }

  /** Keeps other pods away from where it runs. */
  get keepsAway(): boolean {
    return this.affinity?.podAntiAffinity !== undefined;
  }
}

const infos = new WeakMap<KubernetesObject, PodInfo>();

/** The pod's scheduling facts; computed once per version of the pod. */
export function podInfo(pod: Pod): PodInfo {
  let info = infos.get(pod);
  if (info === undefined) {
    info = new PodInfo(pod);
    infos.set(pod, info);
  }
  return info;
}

function hostPortsOf(pod: Pod): HostPort[] {
  const containers = [
    ...(pod.spec?.containers ?? []),
    ...(pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always"),
  ];
  return containers.flatMap((container) =>
    (container.ports ?? []).flatMap(({ hostPort, hostIP, protocol, containerPort }) => {
      const port = hostPort || (pod.spec?.hostNetwork ? containerPort : 0);
      return port ? [{ ip: hostIP || "0.0.0.0", protocol: protocol ?? "TCP", port }] : [];
    }),
  );
}
