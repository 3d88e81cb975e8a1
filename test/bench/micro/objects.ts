/** Objects such as a busy cluster has. */
import { decodeObject } from "../../../shared/api/decode.ts";
import { applyDefaults } from "../../../shared/api/defaults.ts";
import { encodeObject } from "../../../shared/api/encode.ts";
import { kindByResource } from "../../../shared/api/kinds.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import type { KindTable } from "../../../shared/api/schema.ts";
import { MemoryStore } from "../../../shared/store/memory.ts";
import { Projection } from "../../../shared/store/projection.ts";
import { WRITES_PER_COMMIT_MAX, type Write } from "../../../shared/store/store.ts";
import { HEADERS, testRuntime } from "../../store/harness.ts";

export function tableOf(resource: string): KindTable {
  const table = kindByResource(resource);
  if (table === undefined) throw new Error(`no kind is called ${resource}`);
  return table;
}

export const PODS = tableOf("pods");

function container(index: number): object {
  return {
    name: `c-${index}`,
    image: "registry.example/web:1.2.3",
    ports: [{ containerPort: 8080 + index, name: `http-${index}` }],
    env: Array.from({ length: 6 }, (_, each) => ({ name: `VARIABLE_${each}`, value: "value" })),
    resources: { requests: { cpu: "10m", memory: "16Mi" }, limits: { memory: "64Mi" } },
    readinessProbe: { httpGet: { path: "/ready", port: 8080 + index }, periodSeconds: 5 },
    volumeMounts: [{ name: "config", mountPath: "/etc/web" }],
  };
}

/** A pod as a client sends it; about 1.5 KB. */
export function podManifest(name: string): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "default",
      labels: { app: "web", tier: "front", "pod-template-hash": "7f3a2b" },
      annotations: { "example.com/owner": "team" },
    },
    spec: {
      containers: [container(0), container(1)],
      volumes: [{ name: "config", configMap: { name: "web" } }],
    },
  };
}

/** A pod as it is stored. */
export function pod(index: number, node?: string): KubernetesObject {
  const manifest = podManifest(`web-${index}`);
  const { object } = decodeObject(structuredClone(manifest), PODS, "Strict");
  applyDefaults(PODS, object);
  const { metadata } = object;
  metadata.uid = `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`;
  metadata.creationTimestamp = "2026-01-01T00:00:00Z";
  metadata.ownerReferences = [
    { apiVersion: "apps/v1", kind: "ReplicaSet", name: "web", uid: "owner", controller: true },
  ];
  if (node !== undefined) (object["spec"] as Record<string, unknown>)["nodeName"] = node;
  return object;
}

export function node(index: number): KubernetesObject {
  const room = { cpu: "32", memory: "256Gi", pods: "110" };
  const name = `node-${index}`;
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      uid: name,
      labels: { "kubernetes.io/hostname": name, zone: `z-${index % 3}` },
    },
    status: { capacity: room, allocatable: room, conditions: [{ type: "Ready", status: "True" }] },
  };
}

/** A store and projection that hold the objects, by key. */
export async function filled(
  objects: ReadonlyMap<string, KubernetesObject>,
): Promise<{ store: MemoryStore; projection: Projection }> {
  const store = new MemoryStore(testRuntime);
  const writes = [...objects].map(
    ([key, object]): Write => ({ key, value: encodeObject(object), expect: 0 }),
  );
  for (let start = 0; start < writes.length; start += WRITES_PER_COMMIT_MAX) {
    await store.commit(writes.slice(start, start + WRITES_PER_COMMIT_MAX), HEADERS);
  }
  const projection = new Projection({ runtime: testRuntime });
  await projection.follow(store);
  return { store, projection };
}
