import { keyOf } from "../api/key.ts";
import type { KubernetesObject } from "../api/object.ts";
import { hash32 } from "../runtime/random.ts";
import type { ProjectionReader } from "../store/view.ts";
import type { ApiClient } from "./client.ts";
import type { ActorDependencies } from "./dependencies.ts";
import type { Action, EventRecord } from "./plan.ts";

/** Events wait this long for company: they are written many at a time. */
const FLUSH_MS = 100;
const ACTIONS_PER_PLAN_MAX = 200;
/** What is remembered to count repetitions; the oldest is forgotten first. */
const REMEMBERED_MAX = 4_096;
/** As in Kubernetes: 25 events per object at once, then one in 5 minutes. */
const BURST_MAX = 25;
const REFILL_MS = 300_000;

export interface EventsOptions extends ActorDependencies {
  readonly client: ApiClient;
  readonly projection: ProjectionReader;
  /** Whose writes these are, in the headers. */
  readonly actor: string;
  /** `source.component` and `reportingComponent`, e.g. `replicaset-controller`. */
  readonly component: string;
  /** `source.host`, for node agents. */
  readonly host?: string;
}

interface Known {
  readonly name: string;
  readonly namespace: string;
  readonly object: KubernetesObject;
  count: number;
  /** Written already: a repetition is a patch. */
  written: boolean;
}

interface Allowance {
  tokens: number;
  refilledAt: number;
}

/**
 * Publishes Kubernetes Events, as a courtesy to people: batched, repetitions counted, floods cut,
 * and lost rather than ever holding up or failing an actor.
 */
export class EventPublisher {
  readonly #options: EventsOptions;
  readonly #known = new Map<string, Known>();
  readonly #allowances = new Map<string, Allowance>();
  /** Known events with something to write, in order. */
  readonly #pending = new Set<Known>();
  #flushing = false;

  constructor(options: EventsOptions) {
    this.#options = options;
  }

  /** Takes the events of a committed plan. */
  publish(records: readonly EventRecord[]): void {
    for (const record of records) {
      if (this.#allows(record)) this.#pending.add(this.#count(record));
    }
    if (this.#pending.size === 0 || this.#flushing) return;
    this.#flushing = true;
    this.#options.runtime.timers.after(FLUSH_MS, () => void this.#flush());
  }

  #allows({ regarding }: EventRecord): boolean {
    const now = this.#options.runtime.clock.monotonic();
    let allowance = this.#allowances.get(regarding.uid);
    if (allowance === undefined) {
      allowance = { tokens: BURST_MAX, refilledAt: now };
      forgetOldest(this.#allowances);
      this.#allowances.set(regarding.uid, allowance);
    }
    const earned = Math.floor((now - allowance.refilledAt) / REFILL_MS);
    if (earned > 0) {
      allowance.tokens = Math.min(BURST_MAX, allowance.tokens + earned);
      allowance.refilledAt += earned * REFILL_MS;
    }
    if (allowance.tokens === 0) return false;
    allowance.tokens--;
    return true;
  }

  #count(record: EventRecord): Known {
    const { regarding, type, reason, message } = record;
    const id = [regarding.uid, regarding.fieldPath, type, reason, message].join("\0");
    let known = this.#known.get(id);
    if (known === undefined) {
      known = this.#describe(record, id);
      forgetOldest(this.#known);
      this.#known.set(id, known);
    }
    known.count++;
    return known;
  }

  #describe({ regarding, type, reason, message }: EventRecord, id: string): Known {
    const { runtime, replica, component, host, projection } = this.#options;
    const key = keyOf(regarding.resource, regarding.namespace, regarding.name);
    const object = projection.get(key)?.object;
    const namespace = regarding.namespace || "default";
    const now = runtime.clock.now();
    const unique = `${replica}\0${now}\0${id}`;
    const suffix = hex32(hash32(unique)) + hex32(hash32(unique, 0x9e3779b9));
    const name = `${regarding.name}.${suffix}`;
    const event: KubernetesObject = {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name, namespace },
      involvedObject: {
        ...(object ? { kind: object.kind, apiVersion: object.apiVersion } : {}),
        ...(regarding.namespace ? { namespace: regarding.namespace } : {}),
        name: regarding.name,
        uid: regarding.uid,
        ...(object ? { resourceVersion: object.metadata.resourceVersion } : {}),
        ...(regarding.fieldPath ? { fieldPath: regarding.fieldPath } : {}),
      },
      reason,
      message,
      type,
      source: { component, ...(host ? { host } : {}) },
      reportingComponent: component,
      reportingInstance: host ?? "",
      firstTimestamp: timestamp(now),
    };
    return { name, namespace, object: event, count: 0, written: false };
  }

  async #flush(): Promise<void> {
    while (this.#pending.size > 0) {
      const batch = [...this.#pending].slice(0, ACTIONS_PER_PLAN_MAX);
      for (const known of batch) this.#pending.delete(known);
      // One refused action refuses the whole: then each goes alone, and only the bad one is lost.
      if (!(await this.#write(batch)) && batch.length > 1) {
        for (const known of batch) await this.#write([known]);
      }
    }
    this.#flushing = false;
  }

  async #write(batch: readonly Known[]): Promise<boolean> {
    const { runtime, client, replica, actor, projection, logger } = this.#options;
    const now = timestamp(runtime.clock.now());
    const actions = batch.map((known) => actionOf(known, now));
    try {
      const response = await client.plan({
        trace: runtime.ids.ulid(),
        actor,
        replica,
        cause: 0,
        decidedAt: projection.revision,
        actions,
      });
      const taken = response.outcome === "committed";
      // A patch that was refused: the event has expired meanwhile, and the next one starts anew.
      for (const known of batch) known.written = taken;
      if (!taken) logger.debug({ status: response.status }, "events refused");
      return taken;
    } catch (error) {
      logger.debug({ err: error }, "events not written");
      return true;
    }
  }
}

function actionOf(known: Known, now: string): Action {
  const key = keyOf("events", known.namespace, known.name);
  const latest = { count: known.count, lastTimestamp: now };
  return known.written
    ? { op: "patch", key, patch: latest }
    : { op: "create", key, object: { ...known.object, ...latest } };
}

/** Kubernetes' timestamps have whole seconds. */
function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

function hex32(word: number): string {
  return word.toString(16).padStart(8, "0");
}

function forgetOldest(map: Map<string, unknown>): void {
  if (map.size < REMEMBERED_MAX) return;
  const oldest = map.keys().next();
  if (!oldest.done) map.delete(oldest.value);
}
