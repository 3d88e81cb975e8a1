import { parseKey } from "../api/key.ts";
import { logOf } from "../api/kinds.ts";
import { DECISION_FORMAT, type DecisionRecord, type SeenBeside } from "../log/decision.ts";
import type { Key, Revision } from "../store/store.ts";
import type { ProjectionReader } from "../store/view.ts";
import type { PlanResponse } from "./api.ts";
import { restMs } from "./backoff.ts";
import type { Subscription } from "./bus.ts";
import type { ApiClient } from "./client.ts";
import type { Controller } from "./controller.ts";
import type { ActorDependencies, Running } from "./dependencies.ts";
import { EventPublisher } from "./events.ts";
import type { Membership } from "./membership.ts";
import type { Effect, Plan } from "./plan.ts";
import { KeyQueue, type QueueItem } from "./queue.ts";
import { type ProjectionSnapshot, snapshotOf } from "./snapshot.ts";
import { Waker } from "./wake.ts";

export interface RunOptions {
  readonly dependencies: ActorDependencies;
  readonly projection: ProjectionReader;
  readonly client: ApiClient;
  /** Of this controller; left when it stops. */
  readonly membership: Membership;
  readonly decisions: DecisionSink;
  /** What carries out effects, by the effect's kind. */
  readonly drivers?: Readonly<Record<string, EffectDriver>>;
  /** Plans under way at once; one per key. */
  readonly plansMax?: number;
}

/** Where decision records go (nats/decisions.ts); it must not throw. */
export interface DecisionSink {
  append(record: DecisionRecord): void;
}

/** Carries out one effect; it must be harmless to carry out twice. A rejection is retried. */
export type EffectDriver = (effect: Effect, context: EffectContext) => Promise<void>;

export interface EffectContext {
  readonly key: Key;
  readonly trace: string;
  /** Of the plan's last write; of the snapshot when the plan wrote nothing. */
  readonly revision: Revision;
  readonly client: ApiClient;
}

/** Counted since the start; for metrics and `cox actors`. */
export interface ActorCounters {
  passes: number;
  /** Passes that had nothing to do. */
  idle: number;
  committed: number;
  refused: number;
  failed: number;
  /** Actions that admission dropped from committed plans. */
  dropped: number;
  /** Sum of decision times, microseconds. */
  decideMicros: number;
}

export interface RunningController extends Running {
  readonly counters: Readonly<ActorCounters>;
  /** Keys waiting for a pass. */
  readonly queued: number;
  /** Plans under way. */
  readonly inFlight: number;
  /** Asks for a pass over a key, e.g. because a driver saw the outside world change. */
  wake(key: Key): void;
}

const PLANS_MAX = 32;
/** Passes and time in one turn of the event loop; then others (beats, answers) get theirs. */
const PASSES_PER_TURN_MAX = 200;
const TURN_MS_MAX = 8;
/** How long to wait for the own last commit to appear before asking again. */
const FENCE_MS = 10_000;
const READY_POLL_MS = 10;
/** Beyond this many, fences that the snapshot has passed are thrown away. */
const FENCES_MAX = 10_000;

/** Runs a controller until stopped. See README.md in this folder for what it promises. */
export function runController(controller: Controller, options: RunOptions): RunningController {
  return new ControllerLoop(controller, options);
}

class ControllerLoop implements RunningController {
  readonly counters: ActorCounters = {
    passes: 0,
    idle: 0,
    committed: 0,
    refused: 0,
    failed: 0,
    dropped: 0,
    decideMicros: 0,
  };
  readonly #controller: Controller;
  readonly #options: RunOptions;
  readonly #queue: KeyQueue;
  readonly #waker: Waker;
  readonly #events: EventPublisher;
  /** Per key: the snapshot must have reached this revision before the next pass. */
  readonly #fences = new Map<Key, Revision>();
  #memberChanges: Subscription | undefined;
  #inFlight = 0;
  #pumpDue = false;
  #stopped = false;
  #onIdle: (() => void) | undefined;

  constructor(controller: Controller, options: RunOptions) {
    this.#controller = controller;
    this.#options = options;
    const { dependencies, client, projection } = options;
    this.#queue = new KeyQueue(dependencies.runtime, () => this.#pumpSoon());
    this.#events = new EventPublisher(dependencies, client, controller.name);
    this.#waker = new Waker({
      dependencies,
      projection,
      controller,
      ask: (key, cause) => this.#ask(key, cause),
    });
    this.#begin();
  }

  get queued(): number {
    return this.#queue.length;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  wake(key: Key): void {
    this.#ask(key, 0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#options.membership.leave();
    this.#waker.stop();
    this.#memberChanges?.stop();
    this.#queue.close();
    if (this.#inFlight === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  #begin(): void {
    if (this.#stopped) return;
    const { projection, membership, dependencies } = this.#options;
    if (!projection.ready) {
      dependencies.runtime.timers.after(READY_POLL_MS, () => this.#begin());
      return;
    }
    this.#waker.start();
    this.#memberChanges = membership.onChange((owned) => this.#takeOver(owned));
    this.#takeOver(() => false);
  }

  /** Asks for every key that is this replica's now and was not before. */
  #takeOver(owned: (key: Key) => boolean): void {
    this.#waker.lookAtAll((key, cause) => {
      if (!owned(key)) this.#ask(key, cause);
    });
  }

  #ask(key: Key, cause: Revision): void {
    if (this.#stopped || !this.#options.membership.owns(key)) return;
    const restMs = this.#restMs(key);
    if (restMs > 0) this.#queue.rest(key, cause, restMs);
    else this.#queue.add(key, cause);
  }

  #restMs(key: Key): number {
    const { restsUntil } = this.#controller;
    if (restsUntil === undefined) return 0;
    const { projection, dependencies } = this.#options;
    const entry = projection.get(key);
    const until = entry && restsUntil(entry, projection);
    return until === undefined ? 0 : until - dependencies.runtime.clock.now();
  }

  #pumpSoon(): void {
    if (this.#pumpDue || this.#stopped) return;
    this.#pumpDue = true;
    // After the change being told is told to everybody; one pass may answer several changes.
    queueMicrotask(() => this.#pump());
  }

  #pump(): void {
    this.#pumpDue = false;
    const { runtime } = this.#options.dependencies;
    const turnEnds = runtime.clock.monotonic() + TURN_MS_MAX;
    const plansMax = this.#options.plansMax ?? PLANS_MAX;
    for (let passes = 0; !this.#stopped && this.#inFlight < plansMax; passes++) {
      if (passes >= PASSES_PER_TURN_MAX || runtime.clock.monotonic() > turnEnds) {
        this.#pumpDue = true;
        runtime.timers.after(0, () => this.#pump());
        return;
      }
      const item = this.#queue.take();
      if (item === undefined) return;
      if (this.#options.membership.owns(item.key)) this.#visit(item);
      else this.#queue.done(item.key);
    }
  }

  #visit(item: QueueItem): void {
    const { projection } = this.#options;
    const fence = this.#fences.get(item.key) ?? 0;
    if (fence > projection.revision) {
      projection.waitFor(fence, FENCE_MS).then(
        () => this.#queue.putBack(item),
        () => this.#queue.failed(item.key, item.cause),
      );
      return;
    }
    this.#fences.delete(item.key);
    this.#pass(item);
  }

  #fence({ key, plan }: Decision, revision: Revision): void {
    // The revisions of another log say nothing about this projection.
    const [first] = plan.actions;
    if (first && logOf(parseKey(first.key).resource) !== logOf(this.#controller.primary)) return;
    this.#fences.set(key, revision);
    if (this.#fences.size < FENCES_MAX) return;
    for (const [other, fence] of this.#fences) {
      if (fence <= this.#options.projection.revision) this.#fences.delete(other);
    }
  }

  #snapshot(): ProjectionSnapshot {
    const { projection, dependencies } = this.#options;
    return snapshotOf(projection, dependencies.runtime.clock.now());
  }

  #pass(item: QueueItem): void {
    const { clock, ids } = this.#options.dependencies.runtime;
    const at = this.#snapshot();
    const started = clock.monotonic();
    this.counters.passes++;
    let plan: Plan = NOTHING;
    let failure: unknown;
    try {
      plan = this.#controller.reconcile(item.key, at);
    } catch (error) {
      failure = error ?? new Error("thrown without a value");
    }
    const micros = Math.round((clock.monotonic() - started) * 1000);
    this.counters.decideMicros += micros;
    if (failure === undefined && isIdle(plan)) {
      this.counters.idle++;
      this.#queue.done(item.key, plan.requeueAfterMs, started + restMs(micros));
      return;
    }
    const { revision, now, seen } = at;
    const restsUntilMs = started + restMs(micros);
    const decided = { plan, trace: ids.ulid(), decidedAt: revision, now, micros, restsUntilMs };
    const decision = { ...item, ...decided, ...(seen && { seen }) };
    if (failure !== undefined) this.#failed(decision, failure);
    else void this.#carryOut(decision);
  }

  async #carryOut(decision: Decision): Promise<void> {
    this.#inFlight++;
    try {
      const response = await this.#commit(decision);
      if (response.outcome === "refused") this.#refused(decision, response);
      else await this.#committed(decision, response);
    } catch (error) {
      this.#failed(decision, error);
    } finally {
      this.#inFlight--;
      if (this.#stopped && this.#inFlight === 0) this.#onIdle?.();
      this.#pumpSoon();
    }
  }

  async #commit(decision: Decision): Promise<PlanResponse> {
    const { trace, cause, decidedAt, plan } = decision;
    if (plan.actions.length === 0) {
      return { outcome: "committed", revision: decidedAt, results: [] };
    }
    const { client, dependencies } = this.#options;
    return client.plan({
      trace,
      actor: this.#controller.name,
      replica: dependencies.replica,
      cause,
      decidedAt,
      actions: plan.actions,
    });
  }

  #refused(decision: Decision, response: Extract<PlanResponse, { outcome: "refused" }>): void {
    this.counters.refused++;
    // The same snapshot would be refused again.
    this.#fence(decision, response.revision);
    const message = response.status.message ?? response.status.reason ?? "refused";
    this.#record(decision, "refused", { message });
    this.#queue.failed(decision.key, decision.cause, response.status.reason === "Conflict");
    this.#log("debug", { key: decision.key, message }, "plan refused");
  }

  async #committed(
    decision: Decision,
    response: Extract<PlanResponse, { outcome: "committed" }>,
  ): Promise<void> {
    const { key, plan, trace, cause } = decision;
    const { revision } = response;
    this.counters.committed++;
    this.#fence(decision, revision);
    const dropped = response.results.filter((result) => result.dropped !== undefined);
    this.counters.dropped += dropped.length;
    const message = dropped[0]?.dropped?.message;
    this.#record(decision, "committed", { revision, ...(message ? { message } : {}) });
    if (plan.events) this.#events.publish(plan.events);
    const carried = await this.#carryOutEffects(plan, { key, trace, revision });
    if (dropped.length > 0 || !carried) this.#queue.failed(key, cause);
    else this.#queue.done(key, plan.requeueAfterMs, decision.restsUntilMs);
  }

  async #carryOutEffects(plan: Plan, place: Omit<EffectContext, "client">): Promise<boolean> {
    const { drivers, client } = this.#options;
    for (const effect of plan.effects ?? []) {
      try {
        const driver = drivers?.[effect.kind];
        if (driver === undefined) throw new Error(`no driver for effects of kind ${effect.kind}`);
        await driver(effect, { ...place, client });
      } catch (error) {
        this.counters.failed++;
        this.#log("warn", { err: error, key: place.key, effect: effect.kind }, "effect failed");
        return false;
      }
    }
    return true;
  }

  #failed(decision: Decision, error: unknown): void {
    this.counters.failed++;
    const message = error instanceof Error ? error.message : String(error);
    this.#record(decision, "failed", { message });
    const failures = this.#queue.failed(decision.key, decision.cause);
    this.#log("error", { err: error, key: decision.key, failures }, "pass failed");
  }

  #record(
    decision: Decision,
    outcome: DecisionRecord["outcome"],
    more: Pick<DecisionRecord, "revision" | "message">,
  ): void {
    const { key, trace, cause, plan, decidedAt, now, micros, seen } = decision;
    this.#options.decisions.append({
      format: DECISION_FORMAT,
      trace,
      actor: this.#controller.name,
      replica: this.#options.dependencies.replica,
      version: this.#controller.version,
      key,
      decidedAt,
      now,
      cause,
      plan,
      outcome,
      ...more,
      micros,
      ...(seen && { seen }),
    });
  }

  #log(level: "debug" | "warn" | "error", fields: object, message: string): void {
    this.#options.dependencies.logger[level]({ actor: this.#controller.name, ...fields }, message);
  }
}

/** A pass that has something to carry out, and what it decided. */
interface Decision extends QueueItem {
  readonly plan: Plan;
  readonly trace: string;
  readonly decidedAt: Revision;
  readonly now: number;
  readonly micros: number;
  readonly seen?: SeenBeside;
  /** Of the monotonic clock. */
  readonly restsUntilMs: number;
}

const NOTHING: Plan = { actions: [] };

function isIdle(plan: Plan): boolean {
  return (
    plan.actions.length === 0 &&
    (plan.events ?? []).length === 0 &&
    (plan.effects ?? []).length === 0
  );
}
