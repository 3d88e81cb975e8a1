import { keyOf } from "../../../shared/api/key.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import type { Key } from "../../../shared/store/store.ts";
import type { Draft } from "../draft.ts";

/**
 * Internal records: keys of the cluster log that no API path leads to. A reservation is a key that
 * must not exist when it is written, so that two replicas can never give away the same thing.
 */
export const IP_RECORDS = "coxswain.ipallocations";
export const PORT_RECORDS = "coxswain.portallocations";
const BINDING_RECORDS = "coxswain.bindings";

const API_VERSION = "coxswain/v1";

export function recordKey(records: string, name: string): Key {
  return keyOf(records, "", name);
}

/** Whose the reserved thing is. */
export interface Holder {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export function holderOf({ metadata }: KubernetesObject): Holder {
  const { namespace = "", name, uid = "" } = metadata;
  return { namespace, name, uid };
}

/** False when it is somebody's already. */
export function reserve(draft: Draft, records: string, name: string, holder: Holder): boolean {
  const key = recordKey(records, name);
  if (draft.read(key) !== undefined) return false;
  const record = { kind: "Allocation", apiVersion: API_VERSION, metadata: { name }, holder };
  draft.put(key, record);
  return true;
}

export function isReserved(draft: Draft, records: string, name: string): boolean {
  return draft.read(recordKey(records, name)) !== undefined;
}

/** Gives back what is the holder's; leaves alone what is not. */
export function release(draft: Draft, records: string, name: string, holder: Holder): void {
  const key = recordKey(records, name);
  const record = draft.read(key);
  if (record?.holder?.uid === holder.uid) draft.remove(key);
}

/** Held while bindings are decided: those of one replica take turns. */
export const FENCE_KEY = recordKey(BINDING_RECORDS, "fence");

/**
 * Raises the fence of bindings: of two plans decided on the same state, one is refused, and decided
 * again on a newer one. One record for all nodes, since a plan binds many pods to many nodes: with
 * a record for each node a pod alone cost a write more, and two plans met nonetheless.
 */
export function raiseFence(draft: Draft): void {
  if (draft.isStaged(FENCE_KEY)) return;
  const plans: number = draft.read(FENCE_KEY)?.plans ?? 0;
  const kind = { kind: "BindingFence", apiVersion: API_VERSION };
  draft.put(FENCE_KEY, { ...kind, metadata: { name: "fence" }, plans: plans + 1 });
}
