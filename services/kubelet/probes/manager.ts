import type { Pod, Probe } from "../../../shared/api/generated/types.ts";
import type { Cancel, Runtime } from "../../../shared/runtime/runtime.ts";
import { type NamedContainer, podContainers } from "../decide/spec.ts";
import type { ObservedContainer, ObservedPod, ProbeState, ProbeStates } from "../decide/types.ts";
import type { ContainerRuntime } from "../runtimes/runtime.ts";
import { check } from "./checks.ts";
import { count, type ProbeCount } from "./thresholds.ts";

type ProbeKind = "startup" | "liveness" | "readiness";
const KINDS: readonly ProbeKind[] = ["startup", "liveness", "readiness"];

export interface ProbeFailure {
  readonly container: NamedContainer;
  readonly kind: ProbeKind;
  readonly message: string;
}

/** The pod as its probes need it. */
export interface ProbedPod {
  readonly pod: Pod;
  readonly observed: ObservedPod;
  readonly podIP: string;
  /** Once the pod is being deleted only its readiness still matters. */
  readonly terminating: boolean;
  readonly changed: () => void;
  readonly failed: (failure: ProbeFailure) => void;
}

/** Probes the running containers of the node's pods and remembers how they stand. */
export class ProbeManager {
  readonly #runtime: ContainerRuntime;
  readonly #environment: Runtime;
  /** By container id. */
  readonly #containers = new Map<string, ProbedContainer>();

  constructor(runtime: ContainerRuntime, environment: Runtime) {
    this.#runtime = runtime;
    this.#environment = environment;
  }

  /** Probes exactly the pod's running containers; states of others are forgotten. */
  sync(probed: ProbedPod): void {
    const uid = probed.pod.metadata.uid ?? "";
    const running = new Map<string, ObservedContainer>();
    for (const container of probed.observed.containers) {
      if (container.state === "running") running.set(container.id, container);
    }
    for (const [id, known] of this.#containers) {
      if (known.podUid === uid && !running.has(id)) {
        known.stop();
        this.#containers.delete(id);
      }
    }
    for (const named of podContainers(probed.pod)) {
      const container = [...running.values()].find((one) => one.name === named.spec.name);
      if (!container || !hasProbes(named)) continue;
      const known = this.#containers.get(container.id);
      if (known) known.update(probed);
      else {
        const fresh = new ProbedContainer(
          this.#runtime,
          this.#environment,
          named,
          container,
          probed,
        );
        this.#containers.set(container.id, fresh);
      }
    }
  }

  /** By container id. */
  states(observed: ObservedPod): Record<string, ProbeStates> {
    const states: Record<string, ProbeStates> = {};
    for (const { id } of observed.containers) {
      const known = this.#containers.get(id);
      if (known) states[id] = known.states();
    }
    return states;
  }

  /** Stops all probes of the pod. */
  forget(uid: string): void {
    for (const [id, known] of this.#containers) {
      if (known.podUid !== uid) continue;
      known.stop();
      this.#containers.delete(id);
    }
  }

  stop(): void {
    for (const known of this.#containers.values()) known.stop();
    this.#containers.clear();
  }
}

function hasProbes({ spec }: NamedContainer): boolean {
  return Boolean(spec.startupProbe || spec.livenessProbe || spec.readinessProbe);
}

function probeOf({ spec }: NamedContainer, kind: ProbeKind): Probe | undefined {
  return {
    startup: spec.startupProbe,
    liveness: spec.livenessProbe,
    readiness: spec.readinessProbe,
  }[kind];
}

class ProbedContainer {
  readonly podUid: string;
  readonly #runtime: ContainerRuntime;
  readonly #environment: Runtime;
  readonly #named: NamedContainer;
  readonly #container: ObservedContainer;
  readonly #counts = new Map<ProbeKind, ProbeCount>();
  readonly #timers = new Map<ProbeKind, Cancel>();
  #probed: ProbedPod;
  #stopped = false;

  constructor(
    runtime: ContainerRuntime,
    environment: Runtime,
    named: NamedContainer,
    container: ObservedContainer,
    probed: ProbedPod,
  ) {
    this.#runtime = runtime;
    this.#environment = environment;
    this.#named = named;
    this.#container = container;
    this.#probed = probed;
    this.podUid = probed.pod.metadata.uid ?? "";
    for (const kind of KINDS) {
      const probe = probeOf(named, kind);
      if (!probe) continue;
      this.#counts.set(kind, { state: this.#initial(kind), last: undefined, run: 0 });
      this.#schedule(kind, this.#firstDelay(probe));
    }
  }

  update(probed: ProbedPod): void {
    this.#probed = probed;
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#timers.values()) cancel();
  }

  states(): ProbeStates {
    const states: { -readonly [Kind in ProbeKind]?: ProbeState } = {};
    for (const [kind, { state }] of this.#counts) states[kind] = state;
    const failed = KINDS.find((kind) => kind !== "readiness" && states[kind] === "failure");
    const grace = failed && probeOf(this.#named, failed)?.terminationGracePeriodSeconds;
    return { ...states, ...(grace === undefined ? {} : { graceSeconds: grace }) };
  }

  /**
   * A container that a previous kubelet has found ready or started stays so until a probe says
   * otherwise: the kubelet's own restart must not take a pod out of service.
   */
  #initial(kind: ProbeKind): ProbeState {
    if (kind === "liveness") return "success";
    const status = this.#probed.pod.status;
    const reported = [
      ...(status?.containerStatuses ?? []),
      ...(status?.initContainerStatuses ?? []),
    ];
    const same = reported.find((one) => one.containerID?.endsWith(`://${this.#container.id}`));
    if (kind === "startup") return same?.started ? "success" : "unknown";
    return same?.ready ? "success" : "failure";
  }

  #firstDelay(probe: Probe): number {
    const due = this.#container.startedAt + (probe.initialDelaySeconds ?? 0) * 1000;
    return Math.max(0, due - this.#environment.clock.now());
  }

  #schedule(kind: ProbeKind, delayMs: number): void {
    if (this.#stopped) return;
    this.#timers.get(kind)?.();
    this.#timers.set(
      kind,
      this.#environment.timers.after(delayMs, () => void this.#probe(kind)),
    );
  }

  async #probe(kind: ProbeKind): Promise<void> {
    const probe = probeOf(this.#named, kind);
    if (!probe || this.#stopped) return;
    const periodMs = (probe.periodSeconds ?? 10) * 1000;
    if (!this.#isDue(kind)) {
      this.#schedule(kind, periodMs);
      return;
    }
    const begun = this.#environment.clock.monotonic();
    const { healthy, message } = await check(
      {
        runtime: this.#runtime,
        containerId: this.#container.id,
        container: this.#named.spec,
        podIP: this.#probed.podIP,
        now: () => this.#environment.clock.now(),
      },
      probe,
    );
    if (this.#stopped) return;
    this.#take(kind, probe, healthy, message);
    const spent = this.#environment.clock.monotonic() - begun;
    // What has failed for good is not asked again: its container is about to be replaced.
    const over = kind !== "readiness" && this.#counts.get(kind)?.state === "failure";
    const passed = kind === "startup" && this.#counts.get(kind)?.state === "success";
    if (!over && !passed) this.#schedule(kind, Math.max(0, periodMs - spent));
  }

  #isDue(kind: ProbeKind): boolean {
    if (kind === "startup") return this.#counts.get("startup")?.state !== "success";
    if (kind === "liveness" && this.#probed.terminating) return false;
    const startup = this.#counts.get("startup");
    return startup === undefined || startup.state === "success";
  }

  #take(kind: ProbeKind, probe: Probe, healthy: boolean, message: string): void {
    const before = this.#counts.get(kind) as ProbeCount;
    const after = count(before, healthy, probe);
    this.#counts.set(kind, after);
    if (!healthy) this.#probed.failed({ container: this.#named, kind, message });
    if (after.state === before.state) return;
    if (kind === "startup" && after.state === "success") this.#beginOthers();
    this.#probed.changed();
  }

  /** The others have waited for the startup probe; their turn is now. */
  #beginOthers(): void {
    for (const kind of ["liveness", "readiness"] as const) {
      const probe = probeOf(this.#named, kind);
      if (probe) this.#schedule(kind, this.#firstDelay(probe));
    }
  }
}
