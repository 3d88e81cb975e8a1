import type { ActorDependencies } from "../../../shared/actor/dependencies.ts";
import type { Action } from "../../../shared/actor/plan.ts";
import type { PlanBatcher } from "../../../shared/actor/plan-batcher.ts";
import type { Node } from "../../../shared/api/generated/types.ts";
import { keyOf, parseKey } from "../../../shared/api/key.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import type { Cancel } from "../../../shared/runtime/runtime.ts";
import type { Key } from "../../../shared/store/store.ts";
import { type NodeDescription, reconcileNode } from "../decide/node.ts";
import type { AddressPool } from "../node/addresses.ts";
import type { Follower } from "./follow.ts";

/** First wait after a refused or failed write; doubles up to the most. */
const RETRY_MS = 50;
const RETRY_MOST_MS = 5_000;

export interface SimulatedNode {
  readonly address: string;
  readonly addresses: AddressPool;
  /** Made when it is needed: thousands of nodes are alike. */
  readonly describe: () => NodeDescription;
}

interface Registration {
  /** What is known of the Node; "right": it says what it should. */
  seen: Node | "absent" | "right";
  /** Cancels the wait for the next write; undefined: no write is due or under way. */
  cancel: Cancel | undefined;
  /** Seen anew since the write under way was decided. */
  changed: boolean;
  retryMs: number;
}

/** Registers simulated nodes and keeps their Node objects in line, one write of each at a time. */
export class NodeRegistrar implements Follower {
  readonly #dependencies: ActorDependencies;
  readonly #plans: PlanBatcher;
  readonly #nodes: ReadonlyMap<string, SimulatedNode>;
  readonly #registrations = new Map<string, Registration>();
  #started = false;

  constructor(
    dependencies: ActorDependencies,
    plans: PlanBatcher,
    nodes: ReadonlyMap<string, SimulatedNode>,
  ) {
    this.#dependencies = dependencies;
    this.#plans = plans;
    this.#nodes = nodes;
    for (const name of nodes.keys()) {
      const registration: Registration = {
        seen: "absent",
        cancel: undefined,
        changed: false,
        retryMs: RETRY_MS,
      };
      this.#registrations.set(name, registration);
    }
  }

  *known(): Iterable<Key> {
    for (const [name, { seen }] of this.#registrations) {
      if (seen !== "absent") yield keyOf("nodes", undefined, name);
    }
  }

  changed(key: Key, object: KubernetesObject | undefined): void {
    const { name } = parseKey(key);
    const registration = this.#registrations.get(name);
    if (!registration) return;
    registration.seen = (object as Node | undefined) ?? "absent";
    registration.changed = true;
    if (this.#started) this.#check(name, registration, 0);
  }

  synced(): void {
    this.#started = true;
    for (const [name, registration] of this.#registrations) this.#check(name, registration, 0);
  }

  stop(): void {
    this.#started = false;
    for (const { cancel } of this.#registrations.values()) cancel?.();
  }

  #check(name: string, registration: Registration, waitMs: number): void {
    if (registration.cancel || registration.seen === "right") return;
    if (this.#actions(name, registration).length === 0) {
      registration.seen = "right";
      return;
    }
    registration.cancel = this.#dependencies.runtime.timers.after(waitMs, () =>
      this.#write(name, registration),
    );
  }

  #actions(name: string, { seen }: Registration): readonly Action[] {
    if (seen === "right") return [];
    const { describe } = this.#nodes.get(name) as SimulatedNode;
    const now = this.#dependencies.runtime.clock.now();
    // One write of a key at a time: the next is decided on what this one made.
    return reconcileNode(describe(), seen === "absent" ? undefined : seen, now).slice(0, 1);
  }

  #write(name: string, registration: Registration): void {
    const { runtime, replica } = this.#dependencies;
    this.#plans.offer({
      make: () => {
        const { seen } = registration;
        const version = typeof seen === "string" ? undefined : seen.metadata.resourceVersion;
        const revision = Number(version ?? 0);
        const actions = this.#started ? this.#actions(name, registration) : [];
        registration.changed = false;
        if (actions.length === 0) {
          registration.cancel = undefined;
          return undefined;
        }
        const trace = runtime.ids.ulid();
        return { trace, actor: "kubelet", replica, cause: revision, decidedAt: revision, actions };
      },
      answered: (response) => {
        registration.cancel = undefined;
        const committed = response?.outcome === "committed";
        const waitMs = committed ? 0 : registration.retryMs;
        registration.retryMs = committed ? RETRY_MS : Math.min(waitMs * 2, RETRY_MOST_MS);
        // What was committed will be seen; until then there is nothing to decide on.
        if (!this.#started || (committed && !registration.changed)) return;
        this.#check(name, registration, waitMs);
      },
    });
  }
}
