/**
 * The scheduler: any number of replicas, all active, each with its share of the pending pods
 * (DESIGN D11, D18). A pass decides many pods on one snapshot; their bindings are committed in
 * batches while the next pass is decided. The apiserver refuses what no longer fits.
 */

import type { PlanResponse } from "../../shared/actor/api.ts";
import type { Running } from "../../shared/actor/dependencies.ts";
import { EventPublisher } from "../../shared/actor/events.ts";
import type { Action, EventRecord, Plan } from "../../shared/actor/plan.ts";
import type { RunOptions } from "../../shared/actor/run.ts";
import type { Pod, PodCondition } from "../../shared/api/generated/types.ts";
import { formatTime } from "../../shared/api/time.ts";
import { DECISION_FORMAT, type DecisionRecord } from "../../shared/log/decision.ts";
import type { Key } from "../../shared/store/store.ts";
import type { Change } from "../../shared/store/view.ts";
import { ClusterState, isTerminal } from "./cluster-state.ts";
import { type PodInfo, podInfo } from "./pod-info.ts";
import { SchedulingQueue } from "./queue.ts";
import { type Placement, schedule } from "./schedule.ts";

export const SCHEDULER_NAME = "default-scheduler";
export const SCHEDULER_VERSION = 1;

const PODS_PER_PASS_MAX = 256;
const BINDINGS_PER_PLAN_MAX = 64;
const PLANS_IN_FLIGHT_MAX = 8;
const READY_POLL_MS = 10;
const FENCE_MS = 10_000;

export interface SchedulerCounters {
  passes: number;
  bound: number;
  refused: number;
  unschedulable: number;
}

export interface RunningScheduler extends Running {
  readonly counters: Readonly<SchedulerCounters>;
  readonly queued: number;
}

/** Runs one replica of the scheduler until stopped. */
export function startScheduler(options: Omit<RunOptions, "drivers">): RunningScheduler {
  return new SchedulerLoop(options);
}

interface Batch {
  readonly placements: readonly (Placement & { readonly key: Key })[];
  readonly trace: string;
  readonly decidedAt: number;
  readonly now: number;
  readonly micros: number;
}

class SchedulerLoop implements RunningScheduler {
  readonly counters: SchedulerCounters = { passes: 0, bound: 0, refused: 0, unschedulable: 0 };
  readonly #options: Omit<RunOptions, "drivers">;
  readonly #queue: SchedulingQueue;
  readonly #events: EventPublisher;
  readonly #unsubscribes: (() => void)[] = [];
  #state: ClusterState | undefined;
  #inFlight = 0;
  #passDue = false;
  #stopped = false;

  constructor(options: Omit<RunOptions, "drivers">) {
    this.#options = options;
    const { dependencies, client } = options;
    this.#queue = new SchedulingQueue(dependencies.runtime, () => this.#passSoon());
    this.#events = new EventPublisher(dependencies, client, SCHEDULER_NAME);
    this.#begin();
  }

  get queued(): number {
    return this.#queue.length;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#options.membership.leave();
    for (const unsubscribe of this.#unsubscribes) unsubscribe();
    this.#queue.close();
  }

  #begin(): void {
    const { projection, dependencies, membership } = this.#options;
    if (this.#stopped) return;
    if (!projection.ready) {
      dependencies.runtime.timers.after(READY_POLL_MS, () => this.#begin());
      return;
    }
    const state = new ClusterState(projection);
    this.#state = state;
    const member = membership.onChange(() => this.#lookAtAll());
    this.#unsubscribes.push(
      projection.subscribe("nodes", (change) => {
        if (state.changedNode(change) !== undefined) this.#queue.relieve();
      }),
      projection.subscribe("pods", (change) => this.#changedPod(state, change)),
      () => member.stop(),
    );
    this.#lookAtAll();
  }

  #changedPod(state: ClusterState, change: Change): void {
    if (state.changedPod(change) !== undefined) this.#queue.relieve();
    const { key } = change.entry;
    const pod = change.entry.object as Pod;
    if (change.type === "DELETED" || !isPending(pod)) {
      this.#queue.remove(key);
    } else if (this.#options.membership.owns(key)) {
      const old = change.old?.object as Pod | undefined;
      this.#queue.add(key, pod, old !== undefined && old.spec !== pod.spec && !sameSpec(old, pod));
    }
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

  #passSoon(): void {
    if (this.#passDue || this.#stopped) return;
    this.#passDue = true;
    // After everything that is arriving now: pods of one burst are decided together.
    this.#options.dependencies.runtime.timers.after(0, () => this.#pass());
  }

  #pass(): void {
    this.#passDue = false;
    if (this.#stopped || this.#state === undefined) return;
    if (this.#inFlight >= PLANS_IN_FLIGHT_MAX) return;
    const { projection, dependencies } = this.#options;
    const { clock } = dependencies.runtime;
    const keys = this.#queue.take(PODS_PER_PASS_MAX);
    if (keys.length === 0) return;
    const byPod = new Map<PodInfo, Key>();
    for (const key of keys) {
      const pod = projection.get(key)?.object as Pod | undefined;
      if (pod !== undefined && isPending(pod)) byPod.set(podInfo(pod), key);
      else this.#queue.remove(key);
    }
    this.counters.passes++;
    const started = clock.monotonic();
    const placements = schedule([...byPod.keys()], this.#state.nodes).map((placement) => ({
      ...placement,
      key: byPod.get(placement.pod) as Key,
    }));
    const micros = Math.round(((clock.monotonic() - started) * 1000) / Math.max(1, byPod.size));
    const decided = { decidedAt: projection.revision, now: clock.now(), micros };
    for (const { pod, node } of placements) if (node) this.#state.assume(pod, node);
    for (const group of this.#plansOf(placements)) {
      const trace = dependencies.runtime.ids.ulid();
      void this.#commit({ placements: group, trace, ...decided });
    }
    this.#passSoon();
  }

  /** Bindings together; what was refused before, and news of failure, alone. */
  #plansOf(placements: Batch["placements"]): Batch["placements"][] {
    const together = placements.filter(({ node, key }) => node && !this.#queue.wasRefused(key));
    const alone = placements.filter(({ node, key }) => !node || this.#queue.wasRefused(key));
    const plans: Batch["placements"][] = alone.map((placement) => [placement]);
    for (let start = 0; start < together.length; start += BINDINGS_PER_PLAN_MAX) {
      plans.push(together.slice(start, start + BINDINGS_PER_PLAN_MAX));
    }
    return plans;
  }

  async #commit(batch: Batch): Promise<void> {
    const { client, dependencies } = this.#options;
    const { replica, runtime, logger } = dependencies;
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
      await this.#options.projection.waitFor(response.revision, FENCE_MS);
    } catch (error) {
      logger.warn({ err: error, actor: "scheduler" }, "bindings failed");
      for (const { pod, key } of batch.placements) {
        this.#state?.forget(pod);
        this.#queue.refused(key);
      }
      await runtime.timers.sleep(READY_POLL_MS);
    } finally {
      this.#inFlight--;
      this.#passSoon();
    }
  }

  #settle(batch: Batch, plans: readonly Plan[], response: PlanResponse): void {
    for (const [index, placement] of batch.placements.entries()) {
      const plan = plans[index] as Plan;
      const dropped =
        response.outcome === "committed" ? response.results[index]?.dropped : response.status;
      this.#record(batch, placement.key, plan, response, dropped?.message);
      if (dropped !== undefined) {
        this.counters.refused++;
        this.#state?.forget(placement.pod);
        this.#queue.refused(placement.key);
        continue;
      }
      this.#events.publish(plan.events ?? []);
      if (placement.node) this.counters.bound++;
      else {
        this.counters.unschedulable++;
        this.#queue.unschedulable(placement.key);
      }
    }
  }

  #record(batch: Batch, key: Key, plan: Plan, response: PlanResponse, message?: string): void {
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
      outcome: response.outcome,
      revision: response.revision,
      ...(message !== undefined && { message }),
      micros: batch.micros,
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

/** What is committed for a placement: the binding, or the condition that says why there is none. */
export function planOf({ pod, node, message }: Placement & { key: Key }, now: number): Plan {
  const { namespace = "", name, uid = "", resourceVersion = "" } = pod.pod.metadata;
  const key = `pods/${namespace}/${name}`;
  const regarding = { resource: "pods", namespace, name, uid };
  if (node !== undefined) {
    const text = `Successfully assigned ${namespace}/${name} to ${node}`;
    const event: EventRecord = { regarding, type: "Normal", reason: "Scheduled", message: text };
    const bind: Action = { op: "bind", key, node, uid, expect: resourceVersion };
    return { actions: [bind], events: [event], reason: `best of the nodes that fit: ${node}` };
  }
  const condition: PodCondition = {
    type: "PodScheduled",
    status: "False",
    reason: "Unschedulable",
    message: message as string,
  };
  const present = pod.pod.status?.conditions ?? [];
  const old = present.find(({ type }) => type === "PodScheduled");
  if (old?.status === "False" && old.message === message) return { actions: [] };
  const since = old?.status === "False" ? old.lastTransitionTime : formatTime(now);
  const conditions = [
    ...present.filter(({ type }) => type !== "PodScheduled"),
    { ...condition, ...(since !== undefined && { lastTransitionTime: since }) },
  ];
  return {
    actions: [
      {
        op: "patch",
        key,
        subresource: "status",
        expect: resourceVersion,
        patch: { metadata: { uid }, status: { conditions } },
      },
    ],
    events: [
      { regarding, type: "Warning", reason: "FailedScheduling", message: message as string },
    ],
    reason: message as string,
  };
}
