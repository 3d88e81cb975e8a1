import type { GroupResource } from "../api/key.ts";
import { groupResourceOf, KINDS } from "../api/kinds.ts";
import type { Key, Revision } from "../store/store.ts";
import type { Change, Entry, ProjectionReader } from "../store/view.ts";
import { type Controller, EVERY_RESOURCE, type WakeRule } from "./controller.ts";
import type { ActorDependencies } from "./dependencies.ts";
import { snapshotOf } from "./snapshot.ts";

/** Objects looked at in one turn of the event loop when all are to be looked at. */
const OBJECTS_PER_TURN_MAX = 2_000;

export interface WakerOptions {
  readonly dependencies: ActorDependencies;
  readonly projection: ProjectionReader;
  readonly controller: Controller;
  /** A key wants a pass, because of the change of this revision (0: none in particular). */
  readonly ask: (key: Key, cause: Revision) => void;
}

/** Turns changes into keys, by a controller's `primary` and `wakes`. */
export class Waker {
  readonly #options: WakerOptions;
  #unsubscribes: (() => void)[] = [];
  #stopped = false;

  constructor(options: WakerOptions) {
    this.#options = options;
  }

  /** Begins to follow the changes. */
  start(): void {
    const { projection } = this.#options;
    for (const resource of this.#resources()) {
      const selected = resource === EVERY_RESOURCE ? undefined : resource;
      this.#unsubscribes.push(projection.subscribe(selected, (change) => this.#changed(change)));
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const unsubscribe of this.#unsubscribes) unsubscribe();
    this.#unsubscribes = [];
  }

  /**
   * Asks for every key that any object there is leads to, a part of the objects per turn. The cause
   * is the object's version: which of them has not been answered yet is not known.
   */
  lookAtAll(ask: (key: Key, cause: Revision) => void): void {
    const { projection, dependencies } = this.#options;
    const resources = this.#resources().has(EVERY_RESOURCE) ? ALL_RESOURCES : this.#resources();
    const entries = [...resources].flatMap((resource) => projection.list(resource));
    const turn = (start: number): void => {
      if (this.#stopped) return;
      for (const entry of entries.slice(start, start + OBJECTS_PER_TURN_MAX)) {
        if (!this.#concerns(asAdded(entry))) continue;
        for (const key of this.#keysOf(asAdded(entry))) ask(key, entry.revision);
      }
      const next = start + OBJECTS_PER_TURN_MAX;
      if (next < entries.length) dependencies.runtime.timers.after(0, () => turn(next));
    };
    turn(0);
  }

  /** The resources to follow; `*` alone when it is among them. */
  #resources(): ReadonlySet<GroupResource> {
    const { primary, wakes } = this.#options.controller;
    const named = new Set([primary, ...Object.keys(wakes ?? {})]);
    return named.has(EVERY_RESOURCE) ? new Set([EVERY_RESOURCE]) : named;
  }

  #concerns(change: Change): boolean {
    const { controller, projection } = this.#options;
    return controller.concerns?.(change, projection) ?? true;
  }

  #changed(change: Change): void {
    if (!this.#concerns(change)) return;
    for (const key of this.#keysOf(change)) this.#options.ask(key, change.revision);
  }

  /** The objects are decoded only for rules that look at them. */
  #keysOf(change: Change): ReadonlySet<Key> {
    const { key, resource } = change.entry;
    const { primary, wakes } = this.#options.controller;
    const keys = new Set<Key>();
    if (primary === resource || primary === EVERY_RESOURCE) keys.add(key);
    for (const rule of [wakes?.[resource], wakes?.[EVERY_RESOURCE]]) {
      if (rule) for (const woken of this.#apply(rule, key, change)) keys.add(woken);
    }
    return keys;
  }

  #apply(rule: WakeRule, key: Key, { type, entry, old }: Change): readonly Key[] {
    const { projection, controller, dependencies } = this.#options;
    const gone = type === "DELETED";
    const object = gone ? undefined : entry.object;
    const before = old?.object ?? (gone ? entry.object : undefined);
    try {
      return rule(object, before, snapshotOf(projection, dependencies.runtime.clock.now()));
    } catch (error) {
      // Whom the change concerns is unknown now; a lost wake-up would be worse than many passes.
      const fields = { err: error, actor: controller.name, key };
      dependencies.logger.error(fields, "wake rule failed; every key is looked at");
      const { primary } = controller;
      const resources = primary === EVERY_RESOURCE ? ALL_RESOURCES : [primary];
      return [...resources].flatMap((each) => projection.list(each).map((entry) => entry.key));
    }
  }
}

function asAdded(entry: Entry): Change {
  return { type: "ADDED", revision: entry.revision, entry, old: undefined };
}

const ALL_RESOURCES: ReadonlySet<GroupResource> = new Set(
  KINDS.filter((table) => table.log !== "none" && !table.storedAs).map(groupResourceOf),
);
