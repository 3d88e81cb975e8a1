import type { KubernetesObject } from "../../shared/api/object.ts";

const RESOURCES: Readonly<Record<string, string>> = {
  Pod: "pods",
  ReplicaSet: "replicasets.apps",
  Deployment: "deployments.apps",
  Node: "nodes",
};

export function keyOfObject({ kind, metadata }: KubernetesObject): string {
  return `${RESOURCES[kind]}/${metadata.namespace ?? "_"}/${metadata.name}`;
}

function owned(name: string, ownerKind: string, owner: string, more: object = {}) {
  const reference = { apiVersion: "apps/v1", kind: ownerKind, name: owner, uid: owner };
  const ownerReferences = [{ ...reference, controller: true }];
  return { name, namespace: "default", uid: name, ownerReferences, ...more };
}

export function deployment(replicas: number, rollingUpdate: object): KubernetesObject {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace: "default", uid: "web" },
    spec: { replicas, strategy: { type: "RollingUpdate", rollingUpdate } },
  };
}

export function replicaSet(name: string, replicas: number, desired?: number): KubernetesObject {
  const annotations = { "deployment.kubernetes.io/desired-replicas": String(desired) };
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: owned(name, "Deployment", "web", desired === undefined ? {} : { annotations }),
    spec: { replicas },
  };
}

export function pod(name: string, owner: string, more: { node?: string; meta?: object } = {}) {
  const conditions = [{ type: "Ready", status: "True" }];
  const containers = [{ name: "main", resources: { requests: { cpu: "600m" } } }];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: owned(name, "ReplicaSet", owner, more.meta),
    spec: { containers, ...(more.node ? { nodeName: more.node } : {}) },
    status: { phase: "Running", conditions },
  };
}

export const NODE: KubernetesObject = {
  apiVersion: "v1",
  kind: "Node",
  metadata: { name: "n1", uid: "n1" },
  status: { allocatable: { cpu: "1", memory: "1Gi", pods: "10" } },
};
