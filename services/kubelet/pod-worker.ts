import type { Pod } from "../../shared/api/generated/types.ts";
import { keyOf } from "../../shared/api/key.ts";
import type { Cancel } from "../../shared/runtime/runtime.ts";
import { type KubeletContext, recordDecision, report } from "./context.ts";
import { reconcilePod, reconcileRemoved } from "./decide/pod.ts";
import { podTitle } from "./decide/spec.ts";
import {
  effectKey,
  type PodEffect,
  type PodSnapshot,
  type StartFailure,
  type VolumeState,
} from "./decide/types.ts";
import { carryOut, cleanUp } from "./driver/driver.ts";
import { isPassing, isReserved, StartError } from "./driver/start-container.ts";
import { PodStatusWriter } from "./pod-status.ts";
import { effectsDue, effectsPlan, type SeenByKubelet, seenOf } from "./redecide.ts";

const SANDBOX_RETRY_MS = 1_000;
const SANDBOX_RETRY_MOST_MS = 30_000;
const VOLUME_RETRY_MS = 500;
const VOLUME_RETRY_MOST_MS = 120_000;
/** Volumes are compared with their sources this often even when nothing was heard of a change. */
const VOLUME_REFRESH_MS = 60_000;
const DELETE_RETRY_MS = 1_000;
const REMOVE_RETRY_MS = 1_000;

/**
 * Looks after one pod (one uid) on the node: decides whenever something about it is new, carries
 * out what was decided, and reports. What it remembers can all be lost: the next kubelet decides
 * the same from the runtime and the API.
 */
export class PodWorker {
  readonly uid: string;
  readonly #context: KubeletContext;
  readonly #status: PodStatusWriter;
  readonly #finished: (uid: string) => void;
  readonly #underWay = new Set<string>();
  readonly #failures = new Map<string, StartFailure>();
  readonly #refused = new Set<string>();
  readonly #nextAttempts: Record<string, number> = {};
  readonly #backedOff = new Map<string, string>();
  #pod: Pod;
  #removed: boolean;
  #volumes: VolumeState = { ready: false };
  #volumeFailures = 0;
  #refreshing = false;
  #refreshAgain = false;
  #sandboxFailures = 0;
  #sandboxRetryAt = 0;
  #nextAttempt = 0;
  /** Starts happen one after the other, in the order of the spec. */
  #starts: Promise<void> = Promise.resolve();
  #cancelPass: Cancel | undefined;
  #cancelTimer: Cancel | undefined;
  #cancelRefresh: Cancel | undefined;
  #stopped = false;

  constructor(
    context: KubeletContext,
    pod: Pod,
    options: { removed: boolean; finished: (uid: string) => void },
  ) {
    this.uid = pod.metadata.uid ?? "";
    this.#context = context;
    this.#pod = pod;
    this.#removed = options.removed;
    this.#finished = options.finished;
    this.#status = new PodStatusWriter(context, () => this.wake());
    if (!options.removed) context.references.follow(pod);
    this.wake();
  }

  get pod(): Pod {
    return this.#pod;
  }

  get removed(): boolean {
    return this.#removed;
  }

  /** A newer version of the pod. */
  update(pod: Pod): void {
    this.#pod = pod;
    this.#removed = false;
    this.#context.references.follow(pod);
    this.wake();
  }

  /** The pod's object is gone: what runs is taken down. */
  remove(): void {
    this.#removed = true;
    this.wake();
  }

  /** Decides again, in a moment. */
  wake(): void {
    if (this.#stopped) return;
    this.#cancelPass ??= this.#context.environment.timers.after(0, () => {
      this.#cancelPass = undefined;
      this.#pass();
    });
  }

  /** What the pod refers to has changed: failed starts are tried again, volumes follow. */
  referencesChanged(): void {
    this.#failures.clear();
    if (!this.#volumes.ready) this.#volumes = { ready: false };
    else void this.#refreshVolumes();
    this.wake();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelPass?.();
    this.#cancelTimer?.();
    this.#cancelRefresh?.();
    this.#context.probes.forget(this.uid);
    this.#context.references.forget(this.uid);
  }

  #pass(): void {
    const { observer } = this.#context;
    // On what an unreachable runtime showed last, nothing is decided.
    if (this.#stopped || !observer.reachable || !observer.isCertain(this.uid)) return;
    if (this.#removed) {
      this.#takeDown();
      return;
    }
    this.#syncProbes();
    const { clock } = this.#context.environment;
    const snapshot = this.#snapshot();
    const started = clock.monotonic();
    const decision = reconcilePod(snapshot);
    const micros = Math.round((clock.monotonic() - started) * 1000);
    const { now } = snapshot;
    const seen = () => seenOf(snapshot);
    const told = this.#status.offer(this.#pod, decision.status, { now, micros, seen });
    const due = effectsDue(decision.effects, this.#underWay, told);
    this.#beginAll(due, { now, micros, seen: () => ({ ...seen(), told }) });
    this.#reportBackoffs(decision.status);
    this.#setTimer(decision.requeueAfterMs);
  }

  #takeDown(): void {
    const { observer, probes } = this.#context;
    probes.forget(this.uid);
    const observed = observer.pod(this.uid);
    const { clock } = this.#context.environment;
    const snapshot = this.#snapshot();
    const started = clock.monotonic();
    const effects = reconcileRemoved(snapshot);
    const micros = Math.round((clock.monotonic() - started) * 1000);
    if (effects.length > 0) {
      // A pod that this kubelet was never told of is what its remains tell.
      const told = this.#pod.metadata.resourceVersion === undefined ? { pod: this.#pod } : {};
      const seen = () => ({ ...seenOf(snapshot), part: "removal", ...told }) as const;
      this.#beginAll(effects, { now: snapshot.now, micros, seen });
      return;
    }
    if (this.#underWay.size > 0 || observed.sandboxes.length > 0) return;
    this.#underWay.add("cleanUp");
    void this.#cleanUp();
  }

  async #cleanUp(): Promise<void> {
    const { environment, logger, images } = this.#context;
    try {
      await cleanUp(this.#context, this.#pod);
    } catch (error) {
      logger.warn(
        { err: error, pod: this.#pod.metadata.name },
        "the pod's remains could not be removed",
      );
      await environment.timers.sleep(DELETE_RETRY_MS);
      this.#underWay.delete("cleanUp");
      this.wake();
      return;
    }
    images.forget(this.uid);
    this.stop();
    this.#finished(this.uid);
  }

  #snapshot(): PodSnapshot {
    const { observer, probes, node, runtime, environment } = this.#context;
    const observed = observer.pod(this.uid);
    return {
      pod: this.#pod,
      observed,
      probes: probes.states(observed),
      volumes: this.#volumes,
      failures: Object.fromEntries(this.#failures),
      refused: this.#refused,
      nextAttempts: this.#nextAttempts,
      sandboxFailure: { retryAt: this.#sandboxRetryAt, nextAttempt: this.#nextAttempt },
      underWay: this.#underWay,
      hostIPs: node.hostIPs,
      runtimeName: runtime.name,
      now: environment.clock.now(),
    };
  }

  #syncProbes(): void {
    const { observer, probes, node } = this.#context;
    const observed = observer.pod(this.uid);
    const hostNetwork = this.#pod.spec?.hostNetwork === true;
    probes.sync({
      pod: this.#pod,
      observed,
      podIP: (hostNetwork ? node.hostIPs[0] : observed.sandboxes[0]?.ips[0]) ?? "",
      terminating: this.#pod.metadata.deletionTimestamp !== undefined,
      changed: () => this.wake(),
      failed: ({ container, kind, message }) => {
        const title = kind[0]?.toUpperCase() + kind.slice(1);
        const text = `${title} probe failed: ${message}`;
        const event = { type: "Warning", reason: "Unhealthy", message: text } as const;
        report(this.#context, this.#pod, { ...event, fieldPath: container.fieldPath });
      },
    });
  }

  /** Records the decision, then begins its effects; none is under way already. */
  #beginAll(
    effects: readonly PodEffect[],
    decided: { now: number; micros: number; seen: () => SeenByKubelet },
  ): void {
    if (effects.length === 0) return;
    const { now, micros } = decided;
    const trace = this.#context.environment.ids.ulid();
    const plan = effectsPlan(effects);
    const seen = { node: { ...decided.seen() } };
    const record = { trace, plan, outcome: "committed", micros, now, seen } as const;
    recordDecision(this.#context, this.#pod, record);
    for (const effect of effects) {
      const key = effectKey(effect);
      this.#underWay.add(key);
      const work = () => this.#carryOut(effect, key, trace);
      if (effect.kind === "startContainer") this.#starts = this.#starts.then(work);
      else void work();
    }
  }

  async #carryOut(effect: PodEffect, key: string, trace: string): Promise<void> {
    try {
      if (effect.kind === "deletePod") await this.#deletePod(trace);
      else await carryOut(this.#context, this.#pod, effect);
      this.#succeeded(effect);
    } catch (error) {
      this.#failed(effect, error);
      // The runtime still holds it, or cannot be reached.
      if (effect.kind === "removeContainer") {
        await this.#context.environment.timers.sleep(REMOVE_RETRY_MS);
      }
    }
    // Until what was done can be seen, it would be decided once more.
    await this.#context.observer.refresh();
    this.#underWay.delete(key);
    this.wake();
  }

  #succeeded(effect: PodEffect): void {
    if (effect.kind === "startContainer") this.#failures.delete(effect.name);
    else if (effect.kind === "createSandbox") this.#sandboxFailures = 0;
    else if (effect.kind === "tearDown") this.#volumes = { ready: false, tornDown: true };
    else if (effect.kind === "prepareVolumes") {
      this.#volumes = { ready: true };
      this.#volumeFailures = 0;
      this.#refreshLater();
    }
  }

  #failed(effect: PodEffect, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const now = this.#context.environment.clock.now();
    const event = (reason: string, text: string): void =>
      report(this.#context, this.#pod, { type: "Warning", reason, message: text });
    if (error instanceof StartError && effect.kind === "startContainer") {
      const { reason, retryAt, refused } = error;
      if (refused) this.#refused.add(refused);
      if (isReserved(error.cause)) this.#nextAttempts[effect.name] = effect.attempt + 1;
      this.#failures.set(effect.name, { reason, message, retryAt, at: now });
    } else if (effect.kind === "createSandbox" && isPassing(error)) {
      if (isReserved(error)) this.#nextAttempt = effect.attempt + 1;
    } else if (effect.kind === "createSandbox") {
      event("FailedCreatePodSandBox", `Failed to create pod sandbox: ${message}`);
      this.#sandboxRetryAt =
        now + delay(SANDBOX_RETRY_MS, ++this.#sandboxFailures, SANDBOX_RETRY_MOST_MS);
    } else if (effect.kind === "prepareVolumes") {
      event("FailedMount", message);
      const wait = delay(VOLUME_RETRY_MS, ++this.#volumeFailures, VOLUME_RETRY_MOST_MS);
      this.#volumes = { ready: false, retryAt: now + wait };
    } else if (effect.kind === "killContainer" && !isPassing(error)) {
      event(
        "FailedKillPod",
        `error killing pod: failed to stop container "${effect.name}": ${message}`,
      );
    } else {
      const fields = { err: error, pod: this.#pod.metadata.name, effect: effect.kind };
      this.#context.logger.warn(fields, "an effect has failed");
    }
  }

  async #deletePod(trace: string): Promise<void> {
    const { client, environment, replica, projection } = this.#context;
    const { name, namespace, resourceVersion } = this.#pod.metadata;
    const response = await client.plan({
      trace,
      actor: "kubelet",
      replica,
      cause: Number(resourceVersion ?? 0),
      decidedAt: projection.revision,
      actions: [
        { op: "delete", key: keyOf("pods", namespace, name), uid: this.uid, gracePeriodSeconds: 0 },
      ],
    });
    await projection.waitFor(response.revision, 10_000).catch(() => undefined);
    if (response.outcome === "refused") await environment.timers.sleep(DELETE_RETRY_MS);
  }

  /** Brings volumes in line with their sources; what runs goes on even when that fails. */
  async #refreshVolumes(): Promise<void> {
    if (this.#refreshing) {
      this.#refreshAgain = true;
      return;
    }
    this.#refreshing = true;
    const { references, volumes, node } = this.#context;
    const source = references.source(this.#pod.metadata.namespace ?? "");
    try {
      const facts = { pod: this.#pod, podIPs: [], node };
      if (this.#volumes.ready) await volumes.setUp(facts, source);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      report(this.#context, this.#pod, { type: "Warning", reason: "FailedMount", message });
    }
    this.#refreshing = false;
    if (this.#refreshAgain && !this.#stopped) {
      this.#refreshAgain = false;
      await this.#refreshVolumes();
    } else this.#refreshLater();
  }

  #refreshLater(): void {
    this.#cancelRefresh?.();
    if (this.#stopped || !this.#volumes.ready) return;
    const { timers } = this.#context.environment;
    this.#cancelRefresh = timers.after(VOLUME_REFRESH_MS, () => void this.#refreshVolumes());
  }

  /** One event for each time that a container begins to wait for its restart. */
  #reportBackoffs(status: Pod["status"]): void {
    const statuses = [
      ...(status?.initContainerStatuses ?? []),
      ...(status?.containerStatuses ?? []),
    ];
    for (const one of statuses) {
      const backsOff = one.state?.waiting?.reason === "CrashLoopBackOff";
      const state = backsOff ? String(one.restartCount) : "";
      if (this.#backedOff.get(one.name) === state) continue;
      this.#backedOff.set(one.name, state);
      if (!backsOff) continue;
      const title = podTitle(this.#pod);
      const message = `Back-off restarting failed container ${one.name} in pod ${title}`;
      const isInit = status?.initContainerStatuses?.includes(one);
      const fieldPath = `spec.${isInit ? "initContainers" : "containers"}{${one.name}}`;
      report(this.#context, this.#pod, { type: "Warning", reason: "BackOff", message, fieldPath });
    }
  }

  #setTimer(afterMs: number | undefined): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (afterMs === undefined) return;
    const { timers } = this.#context.environment;
    this.#cancelTimer = timers.after(afterMs, () => this.#pass());
  }
}

function delay(baseMs: number, failures: number, mostMs: number): number {
  return Math.min(baseMs * 2 ** Math.min(failures - 1, 16), mostMs);
}
