/**
 * Endpoints controller: the older form of what EndpointSlices say, one object per Service with a
 * selector, for clients that still read it.
 */

import type { Controller, Snapshot } from "../../shared/actor/controller.ts";
import type { Action, Plan } from "../../shared/actor/plan.ts";
import type {
  Endpoint,
  EndpointAddress,
  EndpointSubset,
  Endpoints,
  Pod,
  Service,
} from "../../shared/api/generated/types.ts";
import { keyOf, parseKey } from "../../shared/api/key.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { sameJson } from "../../shared/api/same.ts";
import type { Key } from "../../shared/store/store.ts";
import { wokenByPod } from "./endpointslice.ts";
import { endpointGroups } from "./lib/endpoints.ts";

/** As upstream: what does not fit is left out, and an annotation says so. */
const ADDRESSES_MAX = 1000;
const OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity";
const MANAGED_BY = "endpoints.kubernetes.io/managed-by";
const MANAGER = "endpoint-controller";
const HEADLESS = "service.kubernetes.io/headless";

export const endpoints: Controller = {
  name: "endpoints",
  version: 1,
  primary: "services",
  wakes: { pods: wokenByPod, endpoints: wokenByEndpoints },
  reconcile,
};

function wokenByEndpoints(
  object: KubernetesObject | undefined,
  old: KubernetesObject | undefined,
): readonly Key[] {
  const { namespace, name } = ((object ?? old) as KubernetesObject).metadata;
  return [keyOf("services", namespace, name)];
}

export function reconcile(key: Key, at: Snapshot): Plan {
  const { namespace, name } = parseKey(key);
  const service = at.getKey<Service>(key);
  const present = at.get<Endpoints>("endpoints", namespace, name);
  const selector = service?.spec?.selector;
  if (service === undefined) return forget(present);
  if (service.metadata.deletionTimestamp !== undefined || service.spec?.type === "ExternalName") {
    return { actions: [] };
  }
  if (selector === undefined || Object.keys(selector).length === 0) return { actions: [] };
  const pods = at.labelled<Pod>("pods", namespace, selector);
  const action = planOf(service, present, subsetsOf(service, pods, at));
  return { actions: action ? [action] : [], reason: `${pods.length} pods selected` };
}

/** Endpoints have no owner reference; those of a Service that is gone are found by their name. */
function forget(present: Endpoints | undefined): Plan {
  if (present?.metadata.labels?.[MANAGED_BY] !== MANAGER) return { actions: [] };
  const { namespace, name, uid, resourceVersion } = present.metadata;
  const key = keyOf("endpoints", namespace, name);
  return {
    actions: [{ op: "delete", key, uid: uid as string, expect: resourceVersion as string }],
    reason: "its Service is gone",
  };
}

interface Subsets {
  readonly subsets: readonly EndpointSubset[];
  readonly overCapacity: boolean;
}

function subsetsOf(service: Service, pods: readonly Pod[], at: Snapshot): Subsets {
  const family = service.spec?.ipFamilies?.[0] === "IPv6" ? "IPv6" : "IPv4";
  const groups = endpointGroups(service, pods, at).filter(
    ({ addressType, endpoints: found }) => addressType === family && found.length > 0,
  );
  let left = ADDRESSES_MAX;
  const subsets = groups.map((group): EndpointSubset => {
    const kept = group.endpoints.filter(isListed).slice(0, left);
    left -= kept.length;
    const ready = kept.filter(({ conditions }) => conditions?.ready).map(addressOf);
    const notReady = kept.filter(({ conditions }) => !conditions?.ready).map(addressOf);
    return {
      ...(ready.length > 0 && { addresses: ready }),
      ...(notReady.length > 0 && { notReadyAddresses: notReady }),
      ports: group.ports.map(({ name, port, protocol, appProtocol }) => ({
        ...(name && { name }),
        port: port as number,
        ...(protocol !== undefined && { protocol }),
        ...(appProtocol !== undefined && { appProtocol }),
      })),
    };
  });
  const total = groups.reduce((sum, group) => sum + group.endpoints.filter(isListed).length, 0);
  return { subsets, overCapacity: total > ADDRESSES_MAX };
}

/** Pods that are being deleted are in slices only. */
function isListed({ conditions }: Endpoint): boolean {
  return conditions?.terminating !== true;
}

function addressOf({ addresses, hostname, nodeName, targetRef }: Endpoint): EndpointAddress {
  return {
    ...(hostname !== undefined && { hostname }),
    ip: addresses[0] as string,
    ...(nodeName !== undefined && { nodeName }),
    ...(targetRef !== undefined && { targetRef }),
  };
}

function planOf(
  service: Service,
  present: Endpoints | undefined,
  { subsets, overCapacity }: Subsets,
): Action | undefined {
  const { namespace, name } = service.metadata;
  const key = keyOf("endpoints", namespace, name);
  const labels: Record<string, string> = { ...service.metadata.labels, [MANAGED_BY]: MANAGER };
  if (service.spec?.clusterIP === "None") labels[HEADLESS] = "";
  const annotations = overCapacity ? { [OVER_CAPACITY]: "truncated" } : undefined;
  const wanted = { labels, annotations, subsets };
  const metadata = {
    name,
    namespace: namespace as string,
    labels,
    ...(annotations && { annotations }),
  };
  const content = subsets.length > 0 ? { subsets: [...subsets] } : {};
  if (present === undefined) {
    const object = { apiVersion: "v1", kind: "Endpoints", metadata, ...content };
    return { op: "create", key, object };
  }
  const is = {
    labels: present.metadata.labels,
    annotations: present.metadata.annotations,
    subsets: present.subsets ?? [],
  };
  if (sameJson(is, wanted)) return undefined;
  const { subsets: _, ...others } = present;
  const { labels: _labels, annotations: _annotations, ...identity } = present.metadata;
  const object = { ...others, metadata: { ...identity, ...metadata }, ...content };
  return { op: "update", key, expect: present.metadata.resourceVersion as string, object };
}
