import type { FieldError } from "../../../shared/api/errors.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import type { Asked } from "../decided.ts";
import type { Draft } from "../draft.ts";
import {
  addressesOf,
  allocateAddresses,
  allocateNodePorts,
  nodePortsOf,
  releaseService,
  settleFamilies,
} from "./service.ts";
import { dropForType, keepAllocated } from "./service-update.ts";

function isCore({ table }: Asked, plural: string): boolean {
  return table.plural === plural && table.group === "";
}

/** Gives a new object what is given out by the cluster; what cannot be had is a field error. */
export function allocateForCreate(
  draft: Draft,
  asked: Asked,
  object: KubernetesObject,
): FieldError[] {
  if (!isCore(asked, "services") || !object.spec) return [];
  return [
    ...settleFamilies(object),
    ...allocateAddresses(draft, object, new Set()),
    ...allocateNodePorts(draft, object, new Set()),
  ];
}

/** The same for a changed object: it keeps what it has, and gives back what it does not need. */
export function allocateForUpdate(
  draft: Draft,
  asked: Asked,
  next: KubernetesObject,
  old: KubernetesObject,
): FieldError[] {
  if (!isCore(asked, "services") || asked.subresource || !next.spec || !old.spec) return [];
  keepAllocated(next, old);
  dropForType(next, old);
  const heldAddresses = addressesOf(old);
  const heldPorts = nodePortsOf(old);
  const errors = [
    ...settleFamilies(next),
    ...allocateAddresses(draft, next, new Set(heldAddresses)),
    ...allocateNodePorts(draft, next, new Set(heldPorts)),
  ];
  const addresses = new Set(addressesOf(next));
  const ports = new Set(nodePortsOf(next));
  releaseService(
    draft,
    old,
    heldAddresses.filter((address) => !addresses.has(address)),
    heldPorts.filter((port) => !ports.has(port)),
  );
  return errors;
}

/** Gives back what a deleted object holds. */
export function releaseForDelete(draft: Draft, asked: Asked, old: KubernetesObject): void {
  if (isCore(asked, "services")) releaseService(draft, old, addressesOf(old), nodePortsOf(old));
}
