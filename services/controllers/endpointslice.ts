/**
 * EndpointSlice controller: for each Service with a selector, slices of at most 100 endpoints that
 * name its pods' addresses and whether they are ready.
 */

import type { Controller, Snapshot } from "../../shared/actor/controller.ts";
import type { Action, Plan } from "../../shared/actor/plan.ts";
import type { Endpoint, EndpointSlice, Pod, Service } from "../../shared/api/generated/types.ts";
import { keyOf } from "../../shared/api/key.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { sameJson } from "../../shared/api/same.ts";
import type { Key } from "../../shared/store/store.ts";
import { type EndpointGroup, endpointGroups, sameEndpoint } from "./lib/endpoints.ts";
import { canonical, nameWithSuffix, suffixOf } from "./lib/names.ts";
import { controllerReference } from "./lib/owners.ts";

const ENDPOINTS_PER_SLICE_MAX = 100;
const SERVICE_NAME = "kubernetes.io/service-name";
const MANAGED_BY = "endpointslice.kubernetes.io/managed-by";
const MANAGER = "endpointslice-controller.k8s.io";
const HEADLESS = "service.kubernetes.io/headless";

export const endpointslice: Controller = {
  name: "endpointslice",
  version: 1,
  primary: "services",
  wakes: { pods: wokenByPod, "endpointslices.discovery.k8s.io": wokenBySlice },
  reconcile,
};

/**
 * Services that select the pod, before or after the change, if the change shows in their endpoints:
 * most of a pod's changes do not.
 */
export function wokenByPod(
  object: KubernetesObject | undefined,
  old: KubernetesObject | undefined,
  at: Snapshot,
): readonly Key[] {
  if (sameEndpoint(old as Pod | undefined, object as Pod | undefined)) return [];
  const namespace = (object ?? old)?.metadata.namespace as string;
  const keys: Key[] = [];
  for (const service of at.list<Service>("services", namespace)) {
    const selector = Object.entries(service.spec?.selector ?? {});
    if (selector.length === 0) continue;
    const selects = (pod: KubernetesObject | undefined) =>
      pod !== undefined && selector.every(([key, value]) => pod.metadata.labels?.[key] === value);
    if (selects(object) || selects(old)) {
      keys.push(keyOf("services", namespace, service.metadata.name));
    }
  }
  return keys;
}

function wokenBySlice(
  object: KubernetesObject | undefined,
  old: KubernetesObject | undefined,
): readonly Key[] {
  const { labels, namespace } = ((object ?? old) as KubernetesObject).metadata;
  const service = labels?.[SERVICE_NAME];
  if (service === undefined || labels?.[MANAGED_BY] !== MANAGER) return [];
  return [keyOf("services", namespace, service)];
}

export function reconcile(key: Key, at: Snapshot): Plan {
  const service = at.getKey<Service>(key);
  // Slices of a deleted Service are the garbage collector's work.
  if (service === undefined || service.metadata.deletionTimestamp !== undefined) {
    return { actions: [] };
  }
  const selector = service.spec?.selector;
  if (service.spec?.type === "ExternalName" || Object.keys(selector ?? {}).length === 0) {
    return { actions: [] };
  }
  const { namespace, name } = service.metadata;
  const labels = { [SERVICE_NAME]: name, [MANAGED_BY]: MANAGER };
  const slices = at
    .labelled<EndpointSlice>("endpointslices.discovery.k8s.io", namespace, labels)
    .filter((slice) => slice.metadata.deletionTimestamp === undefined);
  const pods = at.labelled<Pod>("pods", namespace, selector as Record<string, string>);
  const groups = endpointGroups(service, pods, at);
  const used = new Set<EndpointSlice>();
  const actions = groups.flatMap((group) => planGroup(service, group, slices, used));
  for (const slice of slices) if (!used.has(slice)) actions.push(deletionOf(slice));
  return { actions, reason: `${pods.length} pods selected` };
}

/** Keeps endpoints in the slices where they are; new ones fill the slices that have room. */
function planGroup(
  service: Service,
  group: EndpointGroup,
  slices: readonly EndpointSlice[],
  used: Set<EndpointSlice>,
): Action[] {
  const present = slices.filter((slice) => isOfGroup(slice, group));
  const wanted = new Map(group.endpoints.map((endpoint) => [identityOf(endpoint), endpoint]));
  const kept = present.map((slice) => ({
    slice,
    endpoints: (slice.endpoints ?? []).flatMap((endpoint) => {
      const identity = identityOf(endpoint);
      const next = wanted.get(identity);
      wanted.delete(identity);
      return next === undefined ? [] : [next];
    }),
  }));
  const added = [...wanted.values()];
  for (const { endpoints } of kept) {
    endpoints.push(...added.splice(0, Math.max(0, ENDPOINTS_PER_SLICE_MAX - endpoints.length)));
  }
  const actions: Action[] = [];
  const filled = kept.filter(({ endpoints }) => endpoints.length > 0);
  // One slice stays, even if empty: it says that the Service is known and has no endpoints.
  const staying = filled.length > 0 || added.length > 0 ? filled : kept.slice(0, 1);
  for (const { slice, endpoints } of staying) {
    used.add(slice);
    actions.push(...updateOf(service, group, slice, endpoints));
  }
  const taken = new Set(slices.map((slice) => slice.metadata.name));
  for (let index = 0; added.length > 0 || (index === 0 && staying.length === 0); index++) {
    const endpoints = added.splice(0, ENDPOINTS_PER_SLICE_MAX);
    actions.push(creationOf(service, group, endpoints, taken));
  }
  return actions;
}

function isOfGroup(slice: EndpointSlice, group: EndpointGroup): boolean {
  if (slice.addressType !== group.addressType) return false;
  return sameJson(slice.ports ?? [], group.ports);
}

function identityOf(endpoint: Endpoint): string {
  return endpoint.targetRef?.uid ?? endpoint.addresses.join(",");
}

function labelsOf(service: Service): Record<string, string> {
  const headless: Record<string, string> =
    service.spec?.clusterIP === "None" ? { [HEADLESS]: "" } : {};
  return {
    ...service.metadata.labels,
    [SERVICE_NAME]: service.metadata.name,
    [MANAGED_BY]: MANAGER,
    ...headless,
  };
}

function creationOf(
  service: Service,
  group: EndpointGroup,
  endpoints: readonly Endpoint[],
  taken: Set<string>,
): Action {
  const { namespace, name: base, uid } = service.metadata;
  const ports = canonical(group.ports as never);
  let name = "";
  for (let attempt = 0; name === "" || taken.has(name); attempt++) {
    name = nameWithSuffix(base, suffixOf(uid as string, group.addressType, ports, attempt));
  }
  taken.add(name);
  const object: EndpointSlice = {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name,
      generateName: `${base}-`,
      namespace: namespace as string,
      labels: labelsOf(service),
      ownerReferences: [controllerReference(service)],
    },
    addressType: group.addressType,
    endpoints: [...endpoints],
    ports: [...group.ports],
  };
  return { op: "create", key: keyOf("endpointslices.discovery.k8s.io", namespace, name), object };
}

function updateOf(
  service: Service,
  group: EndpointGroup,
  slice: EndpointSlice,
  endpoints: readonly Endpoint[],
): Action[] {
  const labels = labelsOf(service);
  const same =
    sameJson(slice.endpoints ?? [], endpoints) && sameJson(slice.metadata.labels ?? {}, labels);
  if (same) return [];
  return [
    {
      op: "update",
      key: sliceKey(slice),
      expect: slice.metadata.resourceVersion as string,
      object: {
        ...slice,
        metadata: { ...slice.metadata, labels },
        endpoints: [...endpoints],
        ports: [...group.ports],
      },
    },
  ];
}

function deletionOf(slice: EndpointSlice): Action {
  return {
    op: "delete",
    key: sliceKey(slice),
    uid: slice.metadata.uid as string,
    expect: slice.metadata.resourceVersion as string,
  };
}

function sliceKey(slice: EndpointSlice): Key {
  return keyOf("endpointslices.discovery.k8s.io", slice.metadata.namespace, slice.metadata.name);
}
