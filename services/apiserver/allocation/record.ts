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
export const NODE_RECORDS = "coxswain.nodeallocations";

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

/** Raises the node's fence: of two plans decided on the same state, one is refused. */
export function raiseFence(draft: Draft, node: string): void {
  const key = recordKey(NODE_RECORDS, node);
  if (draft.isStaged(key)) return;
  const binds: number = draft.read(key)?.binds ?? 0;
  const kind = { kind: "NodeAllocation", apiVersion: API_VERSION };
  draft.put(key, { ...kind, metadata: { name: node }, binds: binds + 1 });
}
