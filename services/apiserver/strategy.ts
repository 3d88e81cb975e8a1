import type { GroupResource } from "../../shared/api/key.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { compareQuantities, parseQuantity } from "../../shared/api/quantity.ts";
import type { KindTable } from "../../shared/api/schema.ts";
import { storedResource } from "./context.ts";

/**
 * How a kind differs from the general rules of writing (facts of Kubernetes v1.35). Whatever is
 * not named here: no generation, status written only through its subresource, no creation by PUT,
 * unconditional updates allowed, deleted at once, a Status as the answer to a deletion.
 */
export interface Strategy {
  /** Fields whose change raises metadata.generation; it begins with 1. */
  readonly generation?: readonly ("spec" | "annotations" | "labels" | "content")[];
  /** The status of a new object; "kept": what the client sent. */
  readonly initialStatus?: "kept" | ((object: KubernetesObject) => unknown);
  /** A PUT of an object that does not exist creates it. */
  readonly createOnUpdate?: boolean;
  /** A PUT without resourceVersion is refused. */
  readonly conditionalUpdate?: boolean;
  /** The answer to a deletion is the object as it was last. */
  readonly returnsDeleted?: boolean;
  /** Metadata that a write of the status must leave alone. */
  readonly statusKeepsLabels?: boolean;
  /** Takes no part in garbage collection: no orphan or foreground finalizer. */
  readonly noGarbageCollection?: boolean;
}

const WORKLOAD: Strategy = {
  generation: ["spec"],
  initialStatus: () => ({}),
  statusKeepsLabels: true,
};

const RBAC: Strategy = { createOnUpdate: true };

const STRATEGIES: Readonly<Record<GroupResource, Strategy>> = {
  pods: {
    generation: ["spec"],
    initialStatus: (pod) => ({ phase: "Pending", qosClass: qosClassOf(pod) }),
    returnsDeleted: true,
  },
  nodes: { initialStatus: "kept" },
  namespaces: { initialStatus: () => ({ phase: "Active" }) },
  services: {
    createOnUpdate: true,
    returnsDeleted: true,
    initialStatus: () => ({ loadBalancer: {} }),
  },
  serviceaccounts: { returnsDeleted: true },
  endpoints: { createOnUpdate: true },
  events: { createOnUpdate: true, noGarbageCollection: true },
  limitranges: { createOnUpdate: true },
  resourcequotas: { returnsDeleted: true },
  podtemplates: { generation: ["content"], returnsDeleted: true },
  persistentvolumes: { initialStatus: () => ({ phase: "Pending" }), returnsDeleted: true },
  persistentvolumeclaims: { initialStatus: () => ({ phase: "Pending" }), returnsDeleted: true },
  replicationcontrollers: { generation: ["spec"], initialStatus: () => ({ replicas: 0 }) },
  "leases.coordination.k8s.io": { createOnUpdate: true, conditionalUpdate: true },
  "endpointslices.discovery.k8s.io": { generation: ["content", "labels"] },
  "deployments.apps": { ...WORKLOAD, generation: ["spec", "annotations"] },
  "replicasets.apps": {
    generation: ["spec"],
    initialStatus: () => ({ replicas: 0 }),
  },
  "daemonsets.apps": WORKLOAD,
  "statefulsets.apps": WORKLOAD,
  "jobs.batch": WORKLOAD,
  "cronjobs.batch": WORKLOAD,
  "ingresses.networking.k8s.io": { generation: ["spec"], initialStatus: () => ({}) },
  "networkpolicies.networking.k8s.io": { generation: ["spec"] },
  "poddisruptionbudgets.policy": { generation: ["spec"], conditionalUpdate: true },
  "priorityclasses.scheduling.k8s.io": { generation: ["content"] },
  "storageclasses.storage.k8s.io": { returnsDeleted: true },
  "csinodes.storage.k8s.io": { conditionalUpdate: true, returnsDeleted: true },
  "roles.rbac.authorization.k8s.io": RBAC,
  "rolebindings.rbac.authorization.k8s.io": RBAC,
  "clusterroles.rbac.authorization.k8s.io": RBAC,
  "clusterrolebindings.rbac.authorization.k8s.io": RBAC,
};

const GENERAL: Strategy = {};

export function strategyOf(table: KindTable): Strategy {
  return STRATEGIES[storedResource(table)] ?? GENERAL;
}

export function hasStatus(table: KindTable): boolean {
  return table.subresources.some((subresource) => subresource.name === "status");
}

interface Resources {
  requests?: Record<string, unknown>;
  limits?: Record<string, unknown>;
}

/** Guaranteed, Burstable or BestEffort, from the pod's or its containers' cpu and memory. */
export function qosClassOf(pod: KubernetesObject): string {
  const own: Resources | undefined = pod.spec?.resources;
  const ofContainers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].map(
    (container: { resources?: Resources }) => container.resources ?? {},
  );
  const all: Resources[] = own?.requests || own?.limits ? [own] : ofContainers;
  const counts = (list: Record<string, unknown> | undefined) =>
    ["cpu", "memory"].filter((name) => list?.[name] !== undefined && !isZero(list[name]));
  if (all.every((each) => !counts(each.requests).length && !counts(each.limits).length)) {
    return "BestEffort";
  }
  const guaranteed = all.every((each) => {
    if (counts(each.limits).length !== 2) return false;
    return ["cpu", "memory"].every((name) => {
      const request = each.requests?.[name];
      return request === undefined || sameQuantity(request, each.limits?.[name]);
    });
  });
  return guaranteed ? "Guaranteed" : "Burstable";
}

function isZero(quantity: unknown): boolean {
  return parseQuantity(String(quantity)).nanos === 0n;
}

function sameQuantity(left: unknown, right: unknown): boolean {
  return compareQuantities(parseQuantity(String(left)), parseQuantity(String(right))) === 0;
}
