import { readdir } from "node:fs/promises";
import { ApiError } from "../../shared/actor/client.ts";
import type { Pod } from "../../shared/api/generated/types.ts";
import { keyOf } from "../../shared/api/key.ts";
import type { Cancel } from "../../shared/runtime/runtime.ts";
import type { Change } from "../../shared/store/view.ts";
import type { KubeletContext } from "./context.ts";
import { PodWorker } from "./pod-worker.ts";

const SWEEP_MS = 30_000;
/** A pod that the API does not name must stay unnamed for so many looks before it is stopped. */
const ORPHAN_PATIENCE_MS = 1_500;
const ORPHAN_LOOKS = 2;

/**
 * The node's pods, a worker for each: those that the API binds to the node, and those that still
 * run here although the API no longer knows them.
 */
export class Kubelet {
  readonly #context: KubeletContext;
  readonly #workers = new Map<string, PodWorker>();
  /** Orphans (uids) that are being looked into. */
  readonly #suspects = new Set<string>();
  #stops: Cancel[] = [];

  constructor(context: KubeletContext) {
    this.#context = context;
  }

  /** The feed must be there. */
  start(): void {
    const { projection, environment } = this.#context;
    for (const entry of projection.list("pods")) this.#podIs(entry.object as Pod);
    this.#stops.push(
      projection.subscribe("pods", (change) => this.#podChanged(change)),
      environment.timers.every(SWEEP_MS, () => void this.#sweep()),
    );
    void this.#sweep();
  }

  stop(): void {
    for (const stop of this.#stops) stop();
    this.#stops = [];
    for (const worker of this.#workers.values()) worker.stop();
    this.#workers.clear();
  }

  /** The runtime shows something new about the pod. */
  runtimeChanged(uid: string): void {
    const worker = this.#workers.get(uid);
    if (worker) worker.wake();
    else void this.#suspect(uid);
  }

  /** The runtime answers again: every pod has its turn, also those that it has never seen. */
  runtimeReturned(): void {
    for (const worker of this.#workers.values()) worker.wake();
  }

  /** Something that the pod refers to has changed. */
  referencesChanged(uid: string): void {
    this.#workers.get(uid)?.referencesChanged();
  }

  /** The pod by its name, as the API has it; undefined when it is not on the node. */
  find(namespace: string, name: string): Pod | undefined {
    for (const { pod, removed } of this.#workers.values()) {
      if (!removed && pod.metadata.name === name && pod.metadata.namespace === namespace)
        return pod;
    }
    return undefined;
  }

  #podChanged({ type, entry, old }: Change): void {
    const pod = entry.object as Pod;
    const oldUid = old?.object.metadata.uid;
    if (oldUid && oldUid !== pod.metadata.uid) this.#workers.get(oldUid)?.remove();
    if (type === "DELETED") this.#workers.get(pod.metadata.uid ?? "")?.remove();
    else this.#podIs(pod);
  }

  #podIs(pod: Pod): void {
    const uid = pod.metadata.uid ?? "";
    const worker = this.#workers.get(uid);
    if (worker) worker.update(pod);
    else this.#startWorker(pod, false);
  }

  #startWorker(pod: Pod, removed: boolean): void {
    const finished = (uid: string): void => void this.#workers.delete(uid);
    this.#workers.set(
      pod.metadata.uid ?? "",
      new PodWorker(this.#context, pod, { removed, finished }),
    );
  }

  /** Pods that run, or have left something on disk or in cgroups, though nobody knows them. */
  async #sweep(): Promise<void> {
    const { observer, setup, cgroups } = this.#context;
    if (!observer.reachable) return;
    const uids = new Set(observer.identities().map(({ uid }) => uid));
    for (const uid of await readdir(setup.paths.pods).catch(() => [])) uids.add(uid);
    for (const uid of (await cgroups?.pods()) ?? []) uids.add(uid);
    for (const uid of uids) if (!this.#workers.has(uid)) await this.#suspect(uid);
  }

  /**
   * Looks twice before taking an unknown pod down: this node's feed may lag behind what a kubelet
   * before this one has acted on, so the API itself is asked.
   */
  async #suspect(uid: string): Promise<void> {
    if (this.#suspects.has(uid)) return;
    this.#suspects.add(uid);
    try {
      const pod = this.#remains(uid);
      for (let look = 0; look < ORPHAN_LOOKS; look++) {
        await this.#context.environment.timers.sleep(ORPHAN_PATIENCE_MS);
        if (this.#stops.length === 0 || this.#workers.has(uid)) return;
        if (pod.metadata.name !== "" && (await this.#isKnown(pod))) return;
      }
      if (this.#workers.has(uid)) return;
      this.#context.logger.info(
        { pod: pod.metadata.name, uid },
        "a pod that no longer exists is removed",
      );
      this.#startWorker(pod, true);
    } catch (error) {
      this.#context.logger.debug({ err: error, uid }, "an unknown pod could not be looked up");
    } finally {
      this.#suspects.delete(uid);
    }
  }

  async #isKnown(pod: Pod): Promise<boolean> {
    const { client, node } = this.#context;
    const key = keyOf("pods", pod.metadata.namespace, pod.metadata.name);
    const found = await client.get<Pod>(key).catch((error: unknown) => {
      // A node may look at its own pods only: what it may not see is not bound to it.
      if (error instanceof ApiError && error.status.code === 403) return undefined;
      throw error;
    });
    return found?.metadata.uid === pod.metadata.uid && found?.spec?.nodeName === node.name;
  }

  /** The pod as far as its remains tell. */
  #remains(uid: string): Pod {
    const known = this.#context.observer.identities().find((identity) => identity.uid === uid);
    return {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: known?.name ?? "", namespace: known?.namespace ?? "", uid },
      spec: {
        containers: [],
        nodeName: this.#context.node.name,
        terminationGracePeriodSeconds: known?.graceSeconds ?? 30,
      },
    };
  }
}
