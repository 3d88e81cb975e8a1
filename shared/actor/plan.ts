import type { GroupResource } from "../api/key.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { Key } from "../store/store.ts";

/**
 * What a pure decision wants done. All `actions` are committed as one, in order, or not at all
 * (DESIGN D5). Two replicas that decide the same thing at the same time ask for the same names and
 * the same expectations, so that one of them is refused whole. The write of the owner that was
 * decided on comes last and carries its revision: whoever sees it has seen everything before it.
 */
export interface Plan {
  readonly actions: readonly Action[];
  /** Kubernetes Events to publish once the actions are committed. */
  readonly events?: readonly EventRecord[];
  /** Work outside the log, carried out after the commit by the actor's driver (DESIGN D9). */
  readonly effects?: readonly Effect[];
  /** Ask again after this long (milliseconds), even if nothing changes: a deadline, a back-off. */
  readonly requeueAfterMs?: number;
  /** One line for `cox why`: why this plan. */
  readonly reason?: string;
  /**
   * For `cox why`, where a clock may have woken the decision: the object whose state led to it, if
   * that is not the key itself.
   */
  readonly because?: Key;
}

export type Action =
  | CreateAction
  | UpdateAction
  | PatchAction
  | DeleteAction
  | BindAction
  | EvictAction;

interface ActionOf<Operation extends string> {
  readonly op: Operation;
  readonly key: Key;
}

/** Fails when the key exists. The object needs no uid, timestamps or resourceVersion. */
export interface CreateAction extends ActionOf<"create"> {
  readonly object: KubernetesObject;
}

/**
 * Replaces the object, or with `subresource` only that part of it. `expect` is the resourceVersion
 * that was decided on. `claim`: write a new version even if nothing in the object changes, so that
 * a second decision on the same revision is refused.
 */
export interface UpdateAction extends ActionOf<"update"> {
  readonly object: KubernetesObject;
  readonly expect: string;
  readonly subresource?: "status" | "finalize" | "scale";
  readonly claim?: boolean;
}

/** A JSON merge patch (RFC 7386), for parts that other writers do not touch. */
export interface PatchAction extends ActionOf<"patch"> {
  readonly patch: Readonly<Record<string, unknown>>;
  readonly expect?: string;
  readonly subresource?: "status";
}

export interface DeleteAction extends ActionOf<"delete"> {
  /** resourceVersion precondition. */
  readonly expect?: string;
  /** uid precondition: never delete a namesake. */
  readonly uid: string;
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan";
}

/**
 * pods/binding: key is the pod's. When the pod is bound, has changed or the node cannot hold it,
 * the action alone is dropped: bindings of a plan have nothing to do with one another.
 */
export interface BindAction extends ActionOf<"bind"> {
  readonly node: string;
  /** The pod's resourceVersion that was decided on. */
  readonly expect: string;
  readonly uid: string;
}

/** pods/eviction: key is the pod's. */
export interface EvictAction extends ActionOf<"evict"> {
  readonly uid: string;
}

/** A Kubernetes Event as a controller states it; the runtime fills in source, times and counts. */
export interface EventRecord {
  readonly regarding: {
    readonly resource: GroupResource;
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
    readonly fieldPath?: string;
  };
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

/** Something to do outside the log. Each actor with effects has a driver that knows its kinds. */
export interface Effect {
  readonly kind: string;
  readonly [field: string]: unknown;
}
