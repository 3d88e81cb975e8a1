import { encodeObject } from "../../shared/api/encode.ts";
import { badRequest } from "../../shared/api/errors.ts";
import { resourceOfKey } from "../../shared/api/key.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { Key, Revision, Write } from "../../shared/store/store.ts";
import type { Entry } from "../../shared/store/view.ts";
import { type EngineContext, type Log, logOfResource } from "./context.ts";

interface Staged {
  readonly base: Entry | undefined;
  readonly log: Log;
  /** null: deleted. */
  readonly object: KubernetesObject | null;
  /** The encoded object, once it has been. */
  value?: Buffer;
}

/**
 * What a decision reads and writes: the projection as it is now, and on top of it what was decided
 * so far. Each key's first write fixes the revision it replaces, so that the commit is refused when
 * the log has moved on. Nothing here waits: a decision sees one moment, unless it is made in
 * parts that need not see the same.
 */
export class Draft {
  readonly context: EngineContext;
  /** Wall clock of the decision. */
  readonly now: number;
  readonly #staged = new Map<Key, Staged>();
  /** What each key was staged as when the mark was set, for those staged since. */
  #before: Map<Key, Staged | undefined> | undefined;

  constructor(context: EngineContext, now: number) {
    this.context = context;
    this.now = now;
  }

  /** The stored version that a write of the key would replace. */
  base(key: Key): Entry | undefined {
    const staged = this.#staged.get(key);
    return staged ? staged.base : this.#log(key).projection.get(key);
  }

  /** The object as the decision has left it so far; frozen, or owned by the draft. */
  read(key: Key): KubernetesObject | undefined {
    const staged = this.#staged.get(key);
    if (staged) return staged.object ?? undefined;
    return this.#log(key).projection.get(key)?.object;
  }

  isStaged(key: Key): boolean {
    return this.#staged.has(key);
  }

  put(key: Key, object: KubernetesObject): void {
    this.#stage(key, object);
  }

  remove(key: Key): void {
    this.#stage(key, null);
  }

  /** What follows may be taken back by `rollback`; what came before no longer. */
  mark(): void {
    this.#before = new Map();
  }

  /** Takes back everything since the mark: what an action staged that admission refused. */
  rollback(): void {
    for (const [key, staged] of this.#before ?? []) {
      if (staged === undefined) this.#staged.delete(key);
      else this.#staged.set(key, staged);
    }
    this.mark();
  }

  /** Encodes what was staged since the mark, so that `writes` has less to do at once. */
  encode(): void {
    for (const key of this.#before?.keys() ?? []) encoded(this.#staged.get(key));
  }

  /** How many writes the commit would have, at most. */
  get size(): number {
    return this.#staged.size;
  }

  /**
   * The writes, in the order in which their keys were last written, and the objects that their
   * values were encoded from.
   */
  writes(): { log: Log | undefined; writes: Write[]; objects: Staged["object"][] } {
    const writes: Write[] = [];
    const objects: Staged["object"][] = [];
    let log: Log | undefined;
    for (const [key, staged] of this.#staged) {
      // Created and deleted within the same plan.
      if (staged.object === null && staged.base === undefined) continue;
      log ??= staged.log;
      if (log !== staged.log) {
        throw badRequest("a plan may not write objects of different logs (events, leases)");
      }
      writes.push({ key, value: encoded(staged), expect: staged.base?.revision ?? 0 });
      objects.push(staged.object);
    }
    return { log, writes, objects };
  }

  /** The revision of the stored version, as Kubernetes prints it; "" when there is none. */
  version(key: Key): string {
    const revision: Revision | undefined = this.base(key)?.revision;
    return revision === undefined ? "" : String(revision);
  }

  #stage(key: Key, object: KubernetesObject | null): void {
    const before = this.#staged.get(key);
    if (this.#before && !this.#before.has(key)) this.#before.set(key, before);
    const log = before?.log ?? this.#log(key);
    const base = before ? before.base : log.projection.get(key);
    // Later writes come later in the commit: the owner's claim is the last (DESIGN D5).
    this.#staged.delete(key);
    this.#staged.set(key, { base, log, object });
  }

  #log(key: Key): Log {
    return logOfResource(this.context, resourceOfKey(key));
  }
}

function encoded(staged: Staged | undefined): Buffer | null {
  if (!staged?.object) return null;
  staged.value ??= encodeObject(staged.object);
  return staged.value;
}
