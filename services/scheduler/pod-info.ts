import type { Affinity, Container, Pod, Toleration } from "../../shared/api/generated/types.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { parseQuantity, quantityToNumber } from "../../shared/api/quantity.ts";

/** Amounts by resource name: cpu in cores, memory in bytes, everything else in its own unit. */
export type Resources = ReadonlyMap<string, number>;

/** What the scheduler needs of a pod, taken from it once. */
export interface PodInfo {
  readonly pod: Pod;
  readonly requests: Resources;
  /**
   * As `requests`, with upstream's assumed minimum where nothing is asked for: for scoring only.
   */
  readonly assumed: Resources;
  readonly hostPorts: readonly HostPort[];
  readonly tolerations: readonly Toleration[];
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly affinity: Affinity | undefined;
  /** uid of the controller whose pods are to be spread; "" for a pod of its own. */
  readonly owner: string;
  /** Pods with the same signature fit the same nodes, and score the same. */
  readonly signature: string;
}

export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

const ASSUMED_CPU = 0.1;
const ASSUMED_MEMORY = 200 * 1024 * 1024;

const infos = new WeakMap<KubernetesObject, PodInfo>();

/** The pod's scheduling facts; computed once per version of the pod. */
export function podInfo(pod: Pod): PodInfo {
  const known = infos.get(pod);
  if (known !== undefined) return known;
  const info = read(pod);
  infos.set(pod, info);
  return info;
}

function read(pod: Pod): PodInfo {
  const requests = podRequests(pod);
  const assumed = new Map(requests);
  if (!assumed.get("cpu")) assumed.set("cpu", ASSUMED_CPU);
  if (!assumed.get("memory")) assumed.set("memory", ASSUMED_MEMORY);
  const { tolerations = [], nodeSelector = {}, affinity, nodeName } = pod.spec ?? {};
  const controller = pod.metadata.ownerReferences?.find((owner) => owner.controller === true);
  const owner = controller?.uid ?? "";
  const hostPorts = hostPortsOf(pod);
  const signature = JSON.stringify([
    [...requests],
    hostPorts,
    tolerations,
    nodeSelector,
    affinity ?? null,
    owner,
    nodeName ?? "",
    pod.metadata.namespace,
    affinity === undefined ? "" : pod.metadata.labels,
  ]);
  return {
    pod,
    requests,
    assumed,
    hostPorts,
    tolerations,
    nodeSelector,
    affinity,
    owner,
    signature,
  };
}

/**
 * What a pod takes of a node: the sum over its containers, or what an init container takes on top
 * of the sidecars started before it, whichever is more; plus overhead.
 */
export function podRequests(pod: Pod): Resources {
  const total = new Map<string, number>();
  for (const container of pod.spec?.containers ?? []) add(total, requestsOf(container));
  const sidecars = new Map<string, number>();
  const starting = new Map<string, number>();
  for (const container of pod.spec?.initContainers ?? []) {
    const requests = requestsOf(container);
    if (container.restartPolicy === "Always") {
      add(total, requests);
      add(sidecars, requests);
      raise(starting, sidecars);
    } else {
      const together = new Map(sidecars);
      add(together, requests);
      raise(starting, together);
    }
  }
  raise(total, starting);
  add(total, quantities(pod.spec?.overhead));
  return total;
}

function requestsOf(container: Container): Resources {
  return quantities(container.resources?.requests);
}

/** Quantities as numbers. */
export function quantities(list: Readonly<Record<string, string | number>> | undefined): Resources {
  const entries = Object.entries(list ?? {});
  return new Map(entries.map(([name, amount]) => [name, amountOf(amount)]));
}

const parsed = new Map<string | number, number>();
const PARSED_MAX = 10_000;

function amountOf(amount: string | number): number {
  const known = parsed.get(amount);
  if (known !== undefined) return known;
  const number = quantityToNumber(parseQuantity(amount));
  if (parsed.size >= PARSED_MAX) parsed.clear();
  parsed.set(amount, number);
  return number;
}

function add(total: Map<string, number>, more: Resources): void {
  for (const [name, amount] of more) total.set(name, (total.get(name) ?? 0) + amount);
}

function raise(total: Map<string, number>, least: Resources): void {
  for (const [name, amount] of least) total.set(name, Math.max(total.get(name) ?? 0, amount));
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
