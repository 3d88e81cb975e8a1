import type { ActorDependencies } from "../../../shared/actor/dependencies.ts";
import type { EventPublisher } from "../../../shared/actor/events.ts";
import type { Action } from "../../../shared/actor/plan.ts";
import type { PlanBatcher } from "../../../shared/actor/plan-batcher.ts";
import type { Pod } from "../../../shared/api/generated/types.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import type { Cancel } from "../../../shared/runtime/runtime.ts";
import type { Key } from "../../../shared/store/store.ts";
import { chooseStage, type Stage, stageDelay, stagedStatus } from "../decide/stages.ts";
import type { Follower } from "./follow.ts";
import type { SimulatedNode } from "./nodes.ts";

/** First wait after a refused or failed write; doubles up to the most. */
const RETRY_MS = 50;
const RETRY_MOST_MS = 5_000;

export interface PodPlayerOptions {
  readonly dependencies: ActorDependencies;
  readonly plans: PlanBatcher;
  readonly events: EventPublisher;
  readonly stages: readonly Stage[];
  readonly nodes: ReadonlyMap<string, SimulatedNode>;
}

/** What is kept of a pod: there may be tens of thousands. */
interface PlayedPod {
  uid: string;
  /** Stage that the pod is in, and restarts of its first container. */
  stage: Stage | undefined;
  restarts: number;
  podIP: string | undefined;
  node: SimulatedNode;
  /** As it was last seen; only while something is to happen to it. */
  pod: Pod | undefined;
  cancel: Cancel;
}

/**
 * Plays the stages of the pods that are bound to simulated nodes. Keeps nothing that it could not
 * find again in the cluster: after a crash it goes on from the pods' statuses.
 */
export class PodPlayer implements Follower {
  readonly #options: PodPlayerOptions;
  readonly #pods = new Map<Key, PlayedPod>();
  /** Addresses are given out only once all that are in use have been seen. */
  #playing = false;

  constructor(options: PodPlayerOptions) {
    this.#options = options;
  }

  known(): Iterable<Key> {
    return this.#pods.keys();
  }

  changed(key: Key, object: KubernetesObject | undefined): void {
    const pod = object as Pod | undefined;
    const played = this.#pods.get(key);
    const node = this.#options.nodes.get(pod?.spec?.nodeName ?? "");
    if (played && (played.uid !== pod?.metadata.uid || node === undefined)) this.#drop(key, played);
    if (pod && node) this.#consider(key, pod, node);
  }

  synced(): void {
    if (this.#playing) return;
    this.#playing = true;
    for (const [key, played] of this.#pods) {
      if (played.stage && played.pod) this.#schedule(key, played, RETRY_MS);
    }
  }

  stop(): void {
    for (const { cancel } of this.#pods.values()) cancel();
    this.#pods.clear();
    this.#playing = false;
  }

  #drop(key: Key, played: PlayedPod): void {
    played.cancel();
    this.#pods.delete(key);
    if (played.podIP) played.node.addresses.release(played.podIP);
  }

  /** Sets the timer of the stage that the pod is in, unless it is set already. */
  #consider(key: Key, pod: Pod, node: SimulatedNode): void {
    const stage = chooseStage(this.#options.stages, pod);
    const restarts = pod.status?.containerStatuses?.[0]?.restartCount ?? 0;
    const before = this.#pods.get(key);
    const same = before?.stage === stage && before?.restarts === restarts;
    const cancel = before?.cancel ?? (() => undefined);
    if (!same) cancel();
    const podIP = pod.spec?.hostNetwork ? undefined : pod.status?.podIP || before?.podIP;
    if (podIP) node.addresses.take(podIP);
    const uid = pod.metadata.uid ?? "";
    const played: PlayedPod = before ?? { uid, stage, restarts, podIP, node, pod, cancel };
    Object.assign(played, { stage, restarts, podIP, pod: stage && pod });
    this.#pods.set(key, played);
    if (stage && this.#playing && !(before && same)) this.#schedule(key, played, RETRY_MS);
  }

  #schedule(key: Key, played: PlayedPod, retryMs: number, waitMs?: number): void {
    const { runtime } = this.#options.dependencies;
    const { stage, pod } = played;
    if (!stage || !pod) return;
    played.cancel = runtime.timers.after(waitMs ?? stageDelay(stage, pod), () =>
      this.#play(key, played, stage, retryMs),
    );
  }

  #play(key: Key, played: PlayedPod, stage: Stage, retryMs: number): void {
    const { dependencies, plans } = this.#options;
    const { runtime, replica } = dependencies;
    const holds = (): boolean => this.#pods.get(key) === played && played.stage === stage;
    plans.offer({
      make: () => {
        const { pod } = played;
        if (!pod || !holds()) return undefined;
        const revision = Number(pod.metadata.resourceVersion ?? 0);
        const actions = [this.#actionOf(stage, key, pod, played)];
        const trace = runtime.ids.ulid();
        return { trace, actor: "kubelet", replica, cause: revision, decidedAt: revision, actions };
      },
      answered: (response) => {
        if (response?.outcome === "committed") {
          this.#report(stage, key, played);
        } else if (holds()) {
          this.#schedule(key, played, Math.min(retryMs * 2, RETRY_MOST_MS), retryMs);
        }
      },
    });
  }

  #actionOf(stage: Stage, key: Key, pod: Pod, played: PlayedPod): Action {
    const { uid, node } = played;
    if (stage.next.delete) return { op: "delete", key, uid, gracePeriodSeconds: 0 };
    if (!pod.spec?.hostNetwork) played.podIP ??= node.addresses.allocate();
    const place = {
      hostIP: node.address,
      podIP: played.podIP ?? node.address,
      now: this.#options.dependencies.runtime.clock.now(),
    };
    const status = stagedStatus(stage, pod, place);
    const expect = pod.metadata.resourceVersion;
    return {
      op: "patch",
      key,
      patch: { status },
      subresource: "status",
      ...(expect ? { expect } : {}),
    };
  }

  #report(stage: Stage, key: Key, { uid }: PlayedPod): void {
    const { event } = stage.next;
    if (!event) return;
    const [resource = "", namespace = "", name = ""] = key.split("/");
    this.#options.events.publish([{ ...event, regarding: { resource, namespace, name, uid } }]);
  }
}
