import type { Action } from "../../../shared/actor/plan.ts";
import type {
  EndpointSlice,
  Endpoints,
  Lease,
  Service,
} from "../../../shared/api/generated/types.ts";
import { keyOf } from "../../../shared/api/key.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import type { View } from "../../../shared/store/view.ts";

/** Where a replica of the apiserver can be reached from pods. */
export interface ServingAddress {
  /** IPv4 */
  readonly address: string;
  readonly port: number;
}

const NAMESPACE = "default";
const NAME = "kubernetes";
const LEASE_NAMESPACE = "kube-system";
const LEASES = "leases.coordination.k8s.io";
const SLICES = "endpointslices.discovery.k8s.io";
/** Marks the leases of apiserver replicas, as upstream. */
const IDENTITY_LABEL = { "apiserver.kubernetes.io/identity": "kube-apiserver" };
const MANAGED_BY = "apiserver";
/** A replica whose lease is this old does not serve any more, seconds. */
export const LEASE_SECONDS = 40;
/** A lease this old is removed, milliseconds. */
const FORGET_MS = 3_600_000;

/** The address of the Service `kubernetes`: the first one of an IPv4 network, e.g. `10.96.0.1`. */
export function firstAddress(cidr: string): string {
  const bytes = (cidr.split("/")[0] ?? "").split(".").map(Number);
  const last = bytes.pop() ?? 0;
  return [...bytes, last + 1].join(".");
}

/** True when the Service `kubernetes` has been made. */
export function hasService(view: View): boolean {
  return view.get(keyOf("services", NAMESPACE, NAME)) !== undefined;
}

/** The key of a replica's lease. */
export function leaseKeyOf({ address, port }: ServingAddress): string {
  return keyOf(LEASES, LEASE_NAMESPACE, `apiserver-${address}-${port}`);
}

/** Renews the replica's own lease and removes those of replicas long gone. */
export function leaseActions(own: ServingAddress, leases: View, now: number): Action[] {
  const key = leaseKeyOf(own);
  const renewTime = new Date(now).toISOString().replace("Z", "000Z");
  const present = leases.get(key);
  const spec = {
    holderIdentity: `${own.address}:${own.port}`,
    leaseDurationSeconds: LEASE_SECONDS,
    renewTime,
  };
  const metadata = {
    name: key.slice(key.lastIndexOf("/") + 1),
    namespace: LEASE_NAMESPACE,
    labels: IDENTITY_LABEL,
  };
  const object = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec };
  const own_: Action =
    present === undefined ? { op: "create", key, object } : { op: "patch", key, patch: { spec } };
  const old = replicaLeases(leases).filter(
    (lease) => lease.metadata.name !== metadata.name && now - renewedAt(lease) > FORGET_MS,
  );
  return [
    own_,
    ...old.map((lease): Action => {
      const { name, uid = "" } = lease.metadata;
      return { op: "delete", key: keyOf(LEASES, LEASE_NAMESPACE, name), uid };
    }),
  ];
}

/** The addresses of the replicas that serve, this one among them, in order. */
export function servingAddresses(own: ServingAddress, leases: View, now: number): ServingAddress[] {
  const addresses = new Map([[`${own.address}:${own.port}`, own]]);
  for (const lease of replicaLeases(leases)) {
    const holder = lease.spec?.holderIdentity ?? "";
    const [address = "", port = ""] = holder.split(":");
    const alive = now - renewedAt(lease) <= LEASE_SECONDS * 1000;
    if (alive && address !== "" && port !== "") {
      addresses.set(holder, { address, port: Number(port) });
    }
  }
  return [...addresses.keys()].sort().flatMap((key) => addresses.get(key) ?? []);
}

/**
 * Keeps the Service `kubernetes` in being, and its endpoints at the addresses that serve: one
 * EndpointSlice per port, all in the Endpoints of that name.
 */
export function serviceActions(
  addresses: readonly ServingAddress[],
  clusterIP: string,
  view: View,
): Action[] {
  const ports = [...new Set(addresses.map(({ port }) => port))].sort((a, b) => a - b);
  const slices = ports.map((port, index) =>
    sliceOf(
      index === 0 ? NAME : `${NAME}-${port}`,
      port,
      addresses.filter((one) => one.port === port),
    ),
  );
  const wanted: [string, KubernetesObject][] = [
    ["services", serviceOf(clusterIP, ports[0] ?? 443)],
    ["endpoints", endpointsOf(addresses, ports)],
    ...slices.map((slice): [string, KubernetesObject] => [SLICES, slice]),
  ];
  const kept = new Set(slices.map(({ metadata }) => metadata.name));
  const stale = view.list(SLICES, NAMESPACE).filter(({ object, name }) => {
    const labels = object.metadata.labels ?? {};
    return labels["endpointslice.kubernetes.io/managed-by"] === MANAGED_BY && !kept.has(name);
  });
  return [
    ...wanted.flatMap(([resource, object]) => actionOf(resource, object, view)),
    ...stale.map(
      ({ key, object }): Action => ({ op: "delete", key, uid: object.metadata.uid ?? "" }),
    ),
  ];
}

function actionOf(resource: string, object: KubernetesObject, view: View): Action[] {
  const key = keyOf(resource, NAMESPACE, object.metadata.name);
  const entry = view.get(key);
  if (entry === undefined) return [{ op: "create", key, object }];
  // The Service is made once; its ports and addresses are then its own
  if (resource === "services") return [];
  const present = entry.object;
  const same = ["subsets", "endpoints", "ports"].every(
    (field) => JSON.stringify(present[field]) === JSON.stringify(object[field]),
  );
  if (same) return [];
  const metadata = { ...present.metadata, labels: object.metadata.labels ?? {} };
  const expect = String(entry.revision);
  return [{ op: "update", key, object: { ...present, ...object, metadata }, expect }];
}

function serviceOf(clusterIP: string, port: number): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: NAME,
      namespace: NAMESPACE,
      labels: { component: "apiserver", provider: "kubernetes" },
    },
    spec: {
      type: "ClusterIP",
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilies: ["IPv4"],
      ipFamilyPolicy: "SingleStack",
      sessionAffinity: "None",
      ports: [{ name: "https", port: 443, protocol: "TCP", targetPort: port }],
    },
  };
}

function sliceOf(name: string, port: number, addresses: readonly ServingAddress[]): EndpointSlice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name,
      namespace: NAMESPACE,
      labels: {
        "endpointslice.kubernetes.io/managed-by": MANAGED_BY,
        "kubernetes.io/service-name": NAME,
      },
    },
    addressType: "IPv4",
    endpoints: addresses.map(({ address }) => ({
      addresses: [address],
      conditions: { ready: true },
    })),
    ports: [{ name: "https", port, protocol: "TCP" }],
  };
}

function endpointsOf(addresses: readonly ServingAddress[], ports: readonly number[]): Endpoints {
  return {
    apiVersion: "v1",
    kind: "Endpoints",
    metadata: {
      name: NAME,
      namespace: NAMESPACE,
      labels: { "endpointslice.kubernetes.io/skip-mirror": "true" },
    },
    subsets: ports.map((port) => ({
      addresses: addresses
        .filter((one) => one.port === port)
        .map(({ address }) => ({ ip: address })),
      ports: [{ name: "https", port, protocol: "TCP" }],
    })),
  };
}

function replicaLeases(leases: View): Lease[] {
  return leases
    .list(LEASES, LEASE_NAMESPACE)
    .map(({ object }) => object as Lease)
    .filter((lease) => lease.metadata.labels?.["apiserver.kubernetes.io/identity"] !== undefined);
}

function renewedAt(lease: Lease): number {
  return Date.parse(lease.spec?.renewTime ?? "") || 0;
}
