import { badRequest, StatusError } from "../../shared/api/errors.ts";
import { keyOf } from "../../shared/api/key.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { KindTable } from "../../shared/api/schema.ts";
import type { Key } from "../../shared/store/store.ts";
import { storedResource } from "./context.ts";
import type { UserInfo } from "./request.ts";

/** What a writing decision needs to know about who asks for what. */
export interface Asked {
  readonly user: UserInfo;
  readonly table: KindTable;
  /** "" for the object itself. */
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** Field manager of the write. */
  readonly manager: string;
}

/** What a decision answers; its writes are in the draft. */
export interface Decided {
  readonly key: Key;
  /** The object as it is answered, in the version of the request. */
  readonly object: KubernetesObject;
  readonly code: 200 | 201 | 202;
  /** The object is gone (or would be, in a dry run). */
  readonly removed?: boolean;
}

/** A refusal by admission: in a plan it drops its action, everything else refuses the plan. */
export class AdmissionError extends StatusError {}

export function keyOfAsked(asked: Asked, name: string = asked.name): Key {
  return keyOf(storedResource(asked.table), asked.namespace, name);
}

/** The body's namespace must be the path's; an absent one is filled in. */
export function settleNamespace(asked: Asked, object: KubernetesObject): void {
  const { metadata } = object;
  if (!asked.table.namespaced) {
    delete metadata.namespace;
    return;
  }
  if (metadata.namespace && metadata.namespace !== asked.namespace) {
    throw badRequest(
      "the namespace of the provided object does not match the namespace sent on the request",
    );
  }
  metadata.namespace = asked.namespace;
}

/** The body's name must be the path's. */
export function settleName(asked: Asked, object: KubernetesObject): void {
  const { metadata } = object;
  if (metadata.name && metadata.name !== asked.name) {
    throw badRequest(
      `the name of the object (${metadata.name}) does not match ` +
        `the name on the URL (${asked.name})`,
    );
  }
  metadata.name = asked.name;
}
