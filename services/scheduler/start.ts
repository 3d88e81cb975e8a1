/**
 * The scheduler: any number of replicas, all active, each with its share of the pending pods
 * (DESIGN D11, D18). A pass decides many pods on one snapshot; their bindings are committed in
 * batches while the next pass is decided. The apiserver refuses what no longer fits.
 */

import type { PlanResponse } from "../../shared/actor/api.ts";
import type { Running } from "../../shared/actor/dependencies.ts";
import { EventPublisher } from "../../shared/actor/events.ts";
import type { Plan } from "../../shared/actor/plan.ts";
import type { RunOptions } from "../../shared/actor/run.ts";
import type { Pod } from "../../shared/api/generated/types.ts";
import {
  DECISION_FORMAT,
  type DecisionRecord,
  type SchedulingPass,
} from "../../shared/log/decision.ts";
import type { Cancel } from "../../shared/runtime/runtime.ts";
import type { Key, Revision } from "../../shared/store/store.ts";
import type { Change } from "../../shared/store/view.ts";
import { ClusterState, isTerminal, type Relief } from "./cluster-state.ts";
import { planOf } from "./plan.ts";
import { type PodInfo, podInfo } from "./pod-info.ts";
import { SchedulingQueue } from "./queue.ts";
import { type Placement, Scheduling } from "./schedule.ts";
import { mayHelp, type Waiting, waitingGroup } from "./waiting.ts";

export const SCHEDULER_NAME = "default-scheduler";
export const SCHEDULER_VERSION = 2;

/** A pass decides at most one plan of bindings: so many pods and the fence fit a commit well. */
const PODS_PER_PASS_MAX = 256;
const NEWS_PER_PLAN_MAX = 64;
const PLANS_IN_FLIGHT_MAX = 8;
/** Commits take a few milliseconds; an apiserver that died must not hold up the others' work. */
const GATHER_MS = 25;
const READY_POLL_MS = 10;
const FENCE_MS = 10_000;
/** As kube-scheduler's podMaxInUnschedulablePodsDuration. */
const FLUSH_MS = 5 * 60_000;

export interface SchedulerCounters {
  passes: number;
  bound: number;
  refused: number;
  unschedulable: number;
}

export interface RunningScheduler extends Running {
  readonly counters: Readonly<SchedulerCounters>;
  /** Pods without a node that are this replica's. */
  readonly pending: number;
  /** Those of them that wait for the next pass, rather than for a node to fit. */
  readonly queued: number;
  /** Plans under way. */
  readonly inFlight: number;
}

/** Runs one replica of the scheduler until stopped. */
export function startScheduler(options: Omit<RunOptions, "drivers">): RunningScheduler {
  return new SchedulerLoop(options);
}

interface Batch {
  readonly placements: readonly (Placement & { readonly key: Key })[];
  /** Of all batches of a pass the same one. */
  readonly pass: PassNotes;
  readonly trace: string;
  readonly decidedAt: number;
  readonly now: number;
  readonly micros: number;
}

/** What the records say of a pass: the first of them all of it. */
class PassNotes {
  readonly #number: number;
  #whole: SchedulingPass["whole"];

  constructor(number: number, whole: NonNullable<SchedulingPass["whole"]>) {
    this.#number = number;
    this.#whole = whole;
  }

  next(): SchedulingPass {
    const whole = this.#whole;
    this.#whole = undefined;
    return { number: this.#number, ...(whole && { whole }) };
  }
}

/** What became of a placement. */
type Outcome = Pick<DecisionRecord, "outcome" | "revision" | "message">;

class SchedulerLoop implements RunningScheduler {
  readonly counters: SchedulerCounters = { passes: 0, bound: 0, refused: 0, unschedulable: 0 };
  readonly #options: Omit<RunOptions, "drivers">;
  readonly #queue: SchedulingQueue<Waiting>;
  readonly #events: EventPublisher;
  readonly #unsubscribes: (() => void)[] = [];
  #state: ClusterState | undefined;
  #scheduling: Scheduling | undefined;
  #inFlight = 0;
  /** When the last plan was sent, on the monotonic clock. */
  #sentAt = 0;
  #next: { readonly at: number; readonly cancel: Cancel } | undefined;
  #stopped = false;
  #onIdle: (() => void) | undefined;

  constructor(options: Omit<RunOptions, "drivers">) {
    this.#options = options;
    const { dependencies, client } = options;
    this.#queue = new SchedulingQueue(dependencies.runtime, () => this.#passSoon());
    this.#events = new EventPublisher(dependencies, client, SCHEDULER_NAME);
    this.#begin();
  }

  get pending(): number {
    return this.#queue.length;
  }

  get queued(): number {
    return this.#queue.active;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#options.membership.leave();
    for (const unsubscribe of this.#unsubscribes) unsubscribe();
    this.#queue.close();
    this.#next?.cancel();
    if (this.#inFlight === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  #begin(): void {
    const { projection, dependencies, membership } = this.#options;
    if (this.#stopped) return;
    if (!projection.ready) {
      dependencies.runtime.timers.after(READY_POLL_MS, () => this.#begin());
      return;
    }
    const state = new ClusterState(projection, dependencies.replica);
    this.#state = state;
    this.#scheduling = new Scheduling(state.table);
    const member = membership.onChange(() => this.#lookAtAll());
    this.#unsubscribes.push(
      projection.subscribe("nodes", (change) => this.#relieve(state.changedNode(change))),
      projection.subscribe("pods", (change) => this.#changedPod(state, change)),
      () => member.stop(),
      // In case that a change helps a pod although nobody thought so.
      dependencies.runtime.timers.every(FLUSH_MS, () => this.#queue.relieve(() => true)),
    );
    this.#lookAtAll();
  }

  #changedPod(state: ClusterState, change: Change): void {
    this.#relieve(state.changedPod(change));
    const { key } = change.entry;
    const pod = change.entry.object as Pod;
    if (change.type === "DELETED" || !isPending(pod)) {
      this.#queue.remove(key);
    } else if (this.#options.membership.owns(key)) {
      const old = change.old?.object as Pod | undefined;
      this.#queue.add(key, pod, old !== undefined && old.spec !== pod.spec && !sameSpec(old, pod));
    }
  }

  #relieve(relief: Relief): void {
    if (relief.node === undefined && !relief.elsewhere) return;
    this.#queue.relieve((waiting) => mayHelp(relief, waiting));
  }

  /** Takes up the pending pods that are this replica's, and drops those that no longer are. */
  #lookAtAll(): void {
    const { projection, membership } = this.#options;
    for (const entry of projection.list("pods")) {
      const pod = entry.object as Pod;
      if (!isPending(pod)) continue;
      if (membership.owns(entry.key)) this.#queue.add(entry.key, pod);
      else this.#queue.remove(entry.key);
    }
  }

  /** At once means: after everything that is arriving now, so that a burst is decided together. */
  #passSoon(delayMs = 0): void {
    const { clock, timers } = this.#options.dependencies.runtime;
    const at = clock.monotonic() + delayMs;
    if (this.#stopped || (this.#next !== undefined && this.#next.at <= at)) return;
    this.#next?.cancel();
    this.#next = { at, cancel: timers.after(delayMs, () => this.#pass()) };
  }

  /** While a plan is being committed the next one gathers, unless it is full or the answer late. */
  #gatherMs(): number {
    if (this.#inFlight === 0 || this.#queue.active >= PODS_PER_PASS_MAX) return 0;
    const { clock } = this.#options.dependencies.runtime;
    return Math.max(0, this.#sentAt + GATHER_MS - clock.monotonic());
  }

  #pass(): void {
    this.#next = undefined;
    const [state, scheduling] = [this.#state, this.#scheduling];
    if (this.#stopped || state === undefined || scheduling === undefined) return;
    if (this.#inFlight >= PLANS_IN_FLIGHT_MAX) return;
    if (this.#queue.active === 0) return;
    const wait = this.#gatherMs();
    if (wait > 0) {
      this.#passSoon(wait);
      return;
    }
    const { projection, dependencies } = this.#options;
    const { clock } = dependencies.runtime;
    const keys = this.#queue.take(PODS_PER_PASS_MAX);
    this.#sentAt = clock.monotonic();
    const byPod = new Map<PodInfo, Key>();
    for (const key of keys) {
      const pod = projection.get(key)?.object as Pod | undefined;
      if (pod !== undefined && isPending(pod)) byPod.set(podInfo(pod), key);
      else this.#queue.remove(key);
    }
    this.counters.passes++;
    const whole = { pods: [...byPod.values()], assumed: state.assumed() };
    const pass = new PassNotes(this.counters.passes, whole);
    const started = clock.monotonic();
    const placements = scheduling.place([...byPod.keys()]).map((placement) => ({
      ...placement,
      key: byPod.get(placement.pod) as Key,
    }));
    const micros = Math.round(((clock.monotonic() - started) * 1000) / Math.max(1, byPod.size));
    const decided = { decidedAt: projection.revision, now: clock.now(), micros, pass };
    for (const { pod, node } of placements) if (node) state.assume(pod, node);
    for (const group of this.#plansOf(placements)) {
      const trace = dependencies.runtime.ids.ulid();
      void this.#commit({ placements: group, trace, ...decided });
    }
    this.#passSoon();
  }

  /**
   * Bindings together, since each is decided for itself; news of failure together as well, but
   * alone where they were refused before: one that is refused takes the others of its plan along.
   */
  #plansOf(placements: Batch["placements"]): Batch["placements"][] {
    const bindings = placements.filter(({ node }) => node);
    const news = placements.filter(({ node }) => !node);
    const again = news.filter(({ key }) => this.#queue.wasRefused(key));
    const first = news.filter(({ key }) => !this.#queue.wasRefused(key));
    const plans = [bindings, ...again.map((each) => [each])];
    for (let start = 0; start < first.length; start += NEWS_PER_PLAN_MAX) {
      plans.push(first.slice(start, start + NEWS_PER_PLAN_MAX));
    }
    return plans.filter((plan) => plan.length > 0);
  }

  async #commit(batch: Batch): Promise<void> {
    const { client, dependencies } = this.#options;
    const { replica } = dependencies;
    const plans = batch.placements.map((placement) => planOf(placement, batch.now));
    const actions = plans.flatMap((plan) => plan.actions);
    const { trace, decidedAt } = batch;
    this.#inFlight++;
    try {
      const cause = decidedAt;
      const request = { trace, actor: "scheduler", replica, cause, decidedAt, actions };
      const response: PlanResponse =
        actions.length === 0
          ? { outcome: "committed", revision: decidedAt, results: [] }
          : await client.plan(request);
      this.#settle(batch, plans, response);
    } catch (error) {
      dependencies.logger.warn({ err: error, actor: "scheduler" }, "bindings failed");
      const message = error instanceof Error ? error.message : String(error);
      for (const [index, { key }] of batch.placements.entries()) {
        this.#record(batch, key, plans[index] as Plan, { outcome: "failed", message });
      }
      await this.#again(batch.placements, decidedAt);
    } finally {
      this.#inFlight--;
      if (this.#stopped && this.#inFlight === 0) this.#onIdle?.();
      this.#passSoon();
    }
  }

  #settle(batch: Batch, plans: readonly Plan[], response: PlanResponse): void {
    const refused: Batch["placements"][number][] = [];
    let actions = 0;
    for (const [index, placement] of batch.placements.entries()) {
      const plan = plans[index] as Plan;
      const dropped =
        response.outcome === "committed"
          ? plan.actions.length > 0 && response.results[actions++]?.dropped
          : response.status;
      const { outcome, revision } = response;
      const message = dropped ? dropped.message : undefined;
      const became = { outcome, revision, ...(message !== undefined && { message }) };
      this.#record(batch, placement.key, plan, became);
      if (dropped) {
        refused.push(placement);
        continue;
      }
      this.#events.publish(plan.events ?? []);
      if (placement.node) this.counters.bound++;
      else {
        this.counters.unschedulable++;
        this.#queue.unschedulable(placement.key, waitingGroup(placement));
      }
    }
    this.counters.refused += refused.length;
    if (refused.length > 0) void this.#again(refused, response.revision);
  }

  /** Decides the pods again once what they were refused for can be seen. */
  async #again(placements: Batch["placements"], revision: Revision): Promise<void> {
    const { projection, dependencies } = this.#options;
    if (this.#stopped) return;
    for (const { pod } of placements) if (this.#state) this.#relieve(this.#state.forget(pod));
    try {
      await projection.waitFor(revision, FENCE_MS);
    } catch (error) {
      dependencies.logger.warn({ err: error, actor: "scheduler" }, "the log is late");
    }
    for (const { key } of placements) this.#queue.refused(key);
  }

  /**
   * The placements of a pass follow from the state at `decidedAt`, the pods in their order, and
   * those assumed to be bound. Equal nodes go by the replica's name.
   */
  #record(batch: Batch, key: Key, plan: Plan, became: Outcome): void {
    if (plan.actions.length === 0) return;
    const record: DecisionRecord = {
      format: DECISION_FORMAT,
      trace: batch.trace,
      actor: "scheduler",
      replica: this.#options.dependencies.replica,
      version: SCHEDULER_VERSION,
      key,
      decidedAt: batch.decidedAt,
      now: batch.now,
      cause: batch.decidedAt,
      plan,
      ...became,
      micros: batch.micros,
      seen: { pass: batch.pass.next() },
    };
    this.#options.decisions.append(record);
  }
}

/** Wants a node from this scheduler. */
export function isPending(pod: Pod): boolean {
  const { nodeName, schedulerName, schedulingGates } = pod.spec ?? {};
  return (
    !nodeName &&
    !isTerminal(pod) &&
    pod.metadata.deletionTimestamp === undefined &&
    (schedulerName ?? SCHEDULER_NAME) === SCHEDULER_NAME &&
    (schedulingGates ?? []).length === 0
  );
}

function sameSpec(a: Pod, b: Pod): boolean {
  return JSON.stringify(a.spec) === JSON.stringify(b.spec);
}
