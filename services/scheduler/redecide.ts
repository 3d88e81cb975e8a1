/** The scheduler's decisions made again from their records, pass by pass. */
import type { Plan } from "../../shared/actor/plan.ts";
import type { Pod } from "../../shared/api/generated/types.ts";
import type { SchedulingPass } from "../../shared/log/decision.ts";
import type { Key } from "../../shared/store/store.ts";
import type { ProjectionReader } from "../../shared/store/view.ts";
import { ClusterState } from "./cluster-state.ts";
import type { NodeInfo } from "./node-info.ts";
import { planOf } from "./plan.ts";
import { type PodInfo, podInfo } from "./pod-info.ts";
import { Scheduling } from "./schedule.ts";

/** Each counts the pods of all nodes; those that decide no more are forgotten. */
const REPLICAS_MAX = 8;

interface Replica {
  readonly state: ClusterState;
  readonly scheduling: Scheduling;
  readonly stop: () => void;
}

/**
 * The schedulers of a cluster, made to decide again. Each has its nodes in an order of its own, and
 * is kept up to date as the projection moves on.
 */
export class SchedulersAgain {
  readonly #projection: ProjectionReader;
  readonly #replicas = new Map<string, Replica>();

  constructor(projection: ProjectionReader) {
    this.#projection = projection;
  }

  /**
   * Decides a pass on the projection as it stands.
   * @returns the plan of each pod, or in words why it cannot be made again
   */
  decide(
    name: string,
    pass: NonNullable<SchedulingPass["whole"]>,
    now: number,
  ): ReadonlyMap<Key, Plan> | string {
    const pods = pass.pods.map((key) => this.#projection.get(key)?.object as Pod | undefined);
    const missing = pods.indexOf(undefined);
    if (missing >= 0) return `there is no ${pass.pods[missing]} at its revision`;
    const { state, scheduling } = this.#replica(name);
    const counted: (readonly [NodeInfo, PodInfo])[] = [];
    const count = (node: string, pod: PodInfo, add: boolean): void => {
      const info = state.table.get(node);
      if (info === undefined) return;
      if (add) state.table.add(info, pod);
      counted.push([info, pod]);
    };
    for (const [key, node] of pass.assumed) {
      const pod = this.#projection.get(key)?.object as Pod | undefined;
      if (pod !== undefined) count(node, podInfo(pod), true);
    }
    const plans = new Map<Key, Plan>();
    const placements = scheduling.place((pods as Pod[]).map((pod) => podInfo(pod)));
    for (const [index, placement] of placements.entries()) {
      const key = pass.pods[index] as Key;
      plans.set(key, planOf({ ...placement, key }, now));
      if (placement.node !== undefined) count(placement.node, placement.pod, false);
    }
    for (const [node, pod] of counted) state.table.remove(node, pod);
    return plans;
  }

  #replica(name: string): Replica {
    const known = this.#replicas.get(name);
    const replica = known ?? this.#start(name);
    this.#replicas.delete(name);
    this.#replicas.set(name, replica);
    const [oldest] = this.#replicas.keys();
    if (this.#replicas.size > REPLICAS_MAX && oldest !== undefined) {
      this.#replicas.get(oldest)?.stop();
      this.#replicas.delete(oldest);
    }
    return replica;
  }

  #start(name: string): Replica {
    const state = new ClusterState(this.#projection, name);
    const stops = [
      this.#projection.subscribe("nodes", (change) => void state.changedNode(change)),
      this.#projection.subscribe("pods", (change) => void state.changedPod(change)),
    ];
    return {
      state,
      scheduling: new Scheduling(state.table),
      stop: () => {
        for (const stop of stops) stop();
      },
    };
  }
}
