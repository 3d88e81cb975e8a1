import type { GroupResource } from "../api/key.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { Key, Revision } from "../store/store.ts";
import type { Change, Entry, View } from "../store/view.ts";
import type { Plan } from "./plan.ts";

/**
 * The contract of every deciding actor (DESIGN D9): level-based, synchronous, pure. `reconcile` may
 * be called at any time, any number of times, by any replica; it reads nothing but its arguments
 * and changes nothing. A file that exports a `reconcile` has no await, no I/O, no clock and no
 * randomness (test/tidy.test.ts).
 */
export interface Controller {
  /** As in `cox actors`, `--replicas` and the identity `system:controller:<name>`. */
  readonly name: string;
  /** Grows with every change of what the controller decides; recorded with each decision. */
  readonly version: number;
  /** Keys of this resource (`*`: of every resource) are reconciled whenever they change. */
  readonly primary: GroupResource | "*";
  /**
   * Other resources (`*`: all) that wake it: which primary keys to reconcile when such an object
   * changes.
   * `old` is the version before (undefined: created), `object` the one after (undefined: deleted).
   */
  readonly wakes?: Readonly<Record<GroupResource, WakeRule>>;
  /**
   * A first look at a change, told by names and bytes so that no object need be decoded: false when
   * it leads to no key, nor is the changed one worth a pass. Default: every change is looked at.
   */
  readonly concerns?: (change: Change, at: View) => boolean;
  /**
   * Until when a primary key may rest, milliseconds since the Unix epoch, told by names and times
   * so that the object need not be decoded: no pass before would do anything. Default: it may not.
   */
  readonly restsUntil?: (entry: Entry, at: View) => number | undefined;
  readonly reconcile: (key: Key, at: Snapshot) => Plan;
}

/** Stands for every resource, as `primary` and in `wakes`. */
export const EVERY_RESOURCE: GroupResource = "*";

export type WakeRule = (
  object: KubernetesObject | undefined,
  old: KubernetesObject | undefined,
  at: Snapshot,
) => readonly Key[];

/**
 * The world at one revision: everything at or below it, nothing above. Objects are frozen.
 * A generic `get<Pod>("pods", ...)` types the answer.
 */
export interface Snapshot {
  readonly revision: Revision;
  /** Wall clock of the decision, milliseconds since the Unix epoch: time is data. */
  readonly now: number;
  get<T = KubernetesObject>(
    resource: GroupResource,
    namespace: string,
    name: string,
  ): T | undefined;
  getKey<T = KubernetesObject>(key: Key): T | undefined;
  /** All objects of the resource in the namespace (undefined: in all), in key order. */
  list<T = KubernetesObject>(resource: GroupResource, namespace?: string): readonly T[];
  /** Objects of the resource with an ownerReference to the uid, in key order. */
  ownedBy<T = KubernetesObject>(resource: GroupResource, uid: string): readonly T[];
  /**
   * What `facts` makes of each object that `ownedBy` shows, in key order. It may be kept with the
   * version it was made of, so that an owner of thousands is decided about without decoding them:
   * `facts` is pure, always the same function for a resource, and what it makes is small.
   */
  ownedFacts<T, F>(resource: GroupResource, uid: string, facts: (object: T) => F): readonly F[];
  /**
   * Objects of the resource in the namespace that no ownerReference names a controller of, and
   * whose labels hold all of these pairs, in key order.
   */
  uncontrolled<T = KubernetesObject>(
    resource: GroupResource,
    namespace: string,
    labels: Readonly<Record<string, string>>,
  ): readonly T[];
  /** Objects of the resource whose labels hold all of these pairs, in key order. */
  labelled<T = KubernetesObject>(
    resource: GroupResource,
    namespace: string | undefined,
    labels: Readonly<Record<string, string>>,
  ): readonly T[];
  /** Pods bound to the node, in key order. */
  onNode<T = KubernetesObject>(node: string): readonly T[];
}
