import { open } from "node:fs/promises";
import type { Logger } from "../../shared/actor/dependencies.ts";
import type { Cancel, Runtime } from "../../shared/runtime/runtime.ts";
import type { ObservedContainer, ObservedPod, ObservedSandbox } from "./decide/types.ts";
import { ANNOTATIONS, LABELS } from "./pod/labels.ts";
import {
  type ContainerRuntime,
  type ContainerSummary,
  type RuntimeContainerStatus,
  RuntimeError,
  type SandboxSummary,
} from "./runtimes/runtime.ts";

const RELIST_MS = 1_000;
const RETRY_MS = 100;
const MESSAGE_MOST_BYTES = 4_096;
const FALLBACK_MOST_BYTES = 2_048;
const FALLBACK_MOST_LINES = 80;

/** How the runtime names a pod, for pods of which nothing else is known. */
export interface PodIdentity {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  /** The grace period written on its containers, seconds. */
  readonly graceSeconds: number;
}

interface Known {
  readonly fingerprint: string;
  readonly pod: ObservedPod;
  readonly identity: PodIdentity;
}

/**
 * What runs on the node, asked of the runtime again and again and at once after whatever the
 * kubelet did itself. While the runtime does not answer, the last known state stands and
 * `reachable` is false: nobody is declared dead because nobody answered.
 */
export class RuntimeObserver {
  readonly #runtime: ContainerRuntime;
  readonly #environment: Runtime;
  readonly #logger: Logger;
  readonly #changed: (uid: string) => void;
  readonly #returned: () => void;
  readonly #pods = new Map<string, Known>();
  /** Pods that the runtime lists, but would not describe. */
  readonly #doubtful = new Set<string>();
  /** Statuses that cannot change any more, by container id and state. */
  readonly #statuses = new Map<string, RuntimeContainerStatus>();
  readonly #waiting: (() => void)[] = [];
  #relisting = false;
  #again = false;
  #stopped = false;
  #cancels: Cancel[] = [];
  #reachableSince: number | undefined;
  #lastSuccess: number | undefined;

  constructor(options: {
    runtime: ContainerRuntime;
    environment: Runtime;
    logger: Logger;
    /** Called for each pod whose state is new. */
    changed: (uid: string) => void;
    /** Called when the runtime answers again: what was left undecided can be decided now. */
    returned: () => void;
  }) {
    this.#runtime = options.runtime;
    this.#environment = options.environment;
    this.#logger = options.logger;
    this.#changed = options.changed;
    this.#returned = options.returned;
  }

  start(): void {
    const events = this.#runtime.watch(() => this.#relist());
    this.#cancels.push(
      events,
      this.#environment.timers.every(RELIST_MS, () => this.#relist()),
    );
    this.#relist();
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#cancels) cancel();
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  get reachable(): boolean {
    return this.#reachableSince !== undefined;
  }

  /** When the runtime last answered, by the monotonic clock; undefined: never. */
  get lastSuccess(): number | undefined {
    return this.#lastSuccess;
  }

  /** False: the runtime knows of the pod, but not how it is; nothing is to be decided on that. */
  isCertain(uid: string): boolean {
    return !this.#doubtful.has(uid);
  }

  pod(uid: string): ObservedPod {
    return this.#pods.get(uid)?.pod ?? { sandboxes: [], containers: [] };
  }

  identities(): PodIdentity[] {
    return [...this.#pods.values()].map(({ identity }) => identity);
  }

  /** Resolves once the state has been asked for after this call, however long that takes. */
  refresh(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#relist();
    });
  }

  #relist(): void {
    if (this.#stopped) return;
    if (this.#relisting) {
      this.#again = true;
      return;
    }
    this.#relisting = true;
    this.#again = false;
    const waiting = this.#waiting.splice(0);
    this.#relistOnce().then(
      () => this.#succeeded(waiting),
      (error: unknown) => this.#failed(error, waiting),
    );
  }

  #succeeded(waiting: readonly (() => void)[]): void {
    this.#relisting = false;
    const now = this.#environment.clock.monotonic();
    this.#lastSuccess = now;
    const returned = this.#reachableSince === undefined;
    this.#reachableSince ??= now;
    for (const resolve of waiting) resolve();
    if (returned) this.#returned();
    if (this.#again || this.#waiting.length > 0) this.#relist();
  }

  #failed(error: unknown, waiting: readonly (() => void)[]): void {
    this.#relisting = false;
    if (this.#reachableSince !== undefined) {
      this.#logger.warn({ err: error }, "the container runtime does not answer");
    }
    this.#reachableSince = undefined;
    this.#waiting.unshift(...waiting);
    if (this.#waiting.length > 0 || this.#again) {
      this.#environment.timers.after(RETRY_MS, () => this.#relist());
    }
  }

  async #relistOnce(): Promise<void> {
    const [sandboxes, containers] = await Promise.all([
      this.#runtime.listSandboxes(),
      this.#runtime.listContainers(),
    ]);
    const groups = groupByPod(sandboxes, containers);
    for (const uid of new Set([...this.#pods.keys(), ...this.#doubtful])) {
      if (groups.has(uid)) continue;
      this.#doubtful.delete(uid);
      this.#pods.delete(uid);
      this.#changed(uid);
    }
    for (const [uid, group] of groups) await this.#lookAt(uid, group);
    this.#forgetStatuses(containers);
  }

  /** One pod that the runtime is at odds with itself about must not hide all the others. */
  async #lookAt(uid: string, group: PodGroup): Promise<void> {
    const fingerprint = fingerprintOf(group);
    if (this.isCertain(uid) && this.#pods.get(uid)?.fingerprint === fingerprint) return;
    try {
      const pod = await this.#observe(group);
      this.#pods.set(uid, { fingerprint, pod, identity: identityOf(uid, group) });
      this.#doubtful.delete(uid);
    } catch (error) {
      if (error instanceof RuntimeError && error.code === "unavailable") throw error;
      if (this.isCertain(uid)) this.#logger.warn({ err: error, uid }, "a pod cannot be looked at");
      this.#doubtful.add(uid);
      return;
    }
    this.#changed(uid);
  }

  async #observe(group: PodGroup): Promise<ObservedPod> {
    const sandboxes: ObservedSandbox[] = [];
    for (const [index, sandbox] of group.sandboxes.entries()) {
      const { id, metadata, ready, createdAt } = sandbox;
      // Only the newest one's addresses are the pod's.
      const status = index === 0 && ready ? await this.#runtime.sandboxStatus(id) : undefined;
      sandboxes.push({ id, attempt: metadata.attempt, ready, createdAt, ips: status?.ips ?? [] });
    }
    const containers: ObservedContainer[] = [];
    for (const summary of group.containers) {
      const status = await this.#status(summary);
      if (status) containers.push(observedContainer(summary, status));
    }
    return { sandboxes, containers };
  }

  async #status(summary: ContainerSummary): Promise<RuntimeContainerStatus | undefined> {
    const key = `${summary.id}/${summary.state}`;
    const known = this.#statuses.get(key);
    if (known) return known;
    const status = await this.#runtime.containerStatus(summary.id);
    if (!status) return undefined;
    const complete = status.state === "exited" ? await withTerminationMessage(status) : status;
    if (status.state === summary.state) this.#statuses.set(key, complete);
    return complete;
  }

  #forgetStatuses(containers: readonly ContainerSummary[]): void {
    const present = new Set(containers.map(({ id, state }) => `${id}/${state}`));
    for (const key of this.#statuses.keys()) if (!present.has(key)) this.#statuses.delete(key);
  }
}

interface PodGroup {
  /** Both with the newest first. */
  readonly sandboxes: SandboxSummary[];
  readonly containers: ContainerSummary[];
}

function groupByPod(
  sandboxes: readonly SandboxSummary[],
  containers: readonly ContainerSummary[],
): Map<string, PodGroup> {
  const groups = new Map<string, PodGroup>();
  const groupOf = (uid: string): PodGroup => {
    const group = groups.get(uid) ?? { sandboxes: [], containers: [] };
    groups.set(uid, group);
    return group;
  };
  for (const sandbox of sandboxes) {
    const uid = sandbox.labels[LABELS.podUid];
    if (uid) groupOf(uid).sandboxes.push(sandbox);
  }
  for (const container of containers) {
    const uid = container.labels[LABELS.podUid];
    if (uid) groupOf(uid).containers.push(container);
  }
  for (const group of groups.values()) {
    group.sandboxes.sort(
      (one, other) =>
        other.createdAt - one.createdAt || other.metadata.attempt - one.metadata.attempt,
    );
    group.containers.sort(
      (one, other) => other.createdAt - one.createdAt || restartCount(other) - restartCount(one),
    );
  }
  return groups;
}

function fingerprintOf(group: PodGroup): string {
  const sandboxes = group.sandboxes.map(({ id, ready }) => `${id}:${ready}`);
  const containers = group.containers.map(({ id, state }) => `${id}:${state}`);
  return [...sandboxes, ...containers].join(",");
}

function identityOf(uid: string, { sandboxes, containers }: PodGroup): PodIdentity {
  const labels = sandboxes[0]?.labels ?? containers[0]?.labels ?? {};
  const grace = Number(containers[0]?.annotations[ANNOTATIONS.gracePeriod] ?? 30);
  return {
    uid,
    name: labels[LABELS.podName] ?? "",
    namespace: labels[LABELS.podNamespace] ?? "",
    graceSeconds: Number.isFinite(grace) ? grace : 30,
  };
}

function restartCount(container: ContainerSummary): number {
  return Number(container.annotations[ANNOTATIONS.restartCount] ?? container.metadata.attempt);
}

function observedContainer(
  summary: ContainerSummary,
  status: RuntimeContainerStatus,
): ObservedContainer {
  return {
    id: summary.id,
    name: summary.labels[LABELS.containerName] ?? summary.metadata.name,
    sandbox: summary.sandbox,
    attempt: summary.metadata.attempt,
    restartCount: restartCount(summary),
    state: status.state,
    createdAt: status.createdAt,
    startedAt: status.startedAt,
    finishedAt: status.finishedAt,
    exitCode: status.exitCode,
    reason: status.reason,
    message: status.message,
    image: status.image,
    imageID: status.imageRef,
    hash: summary.annotations[ANNOTATIONS.hash] ?? "",
    backoffMs: Number(summary.annotations[ANNOTATIONS.backoffMs] ?? 0),
  };
}

/** What the container left behind as its last words, behind the runtime's own message. */
async function withTerminationMessage(
  status: RuntimeContainerStatus,
): Promise<RuntimeContainerStatus> {
  const file = status.annotations[ANNOTATIONS.terminationFile];
  let words = file ? await firstBytes(file, MESSAGE_MOST_BYTES) : "";
  const fallsBack =
    status.annotations[ANNOTATIONS.terminationMessagePolicy] === "FallbackToLogsOnError";
  if (words === "" && fallsBack && status.exitCode !== 0 && status.logPath) {
    words = await lastLogLines(status.logPath);
  }
  const message = [status.message, words].filter((text) => text !== "").join(": ");
  return { ...status, message };
}

async function firstBytes(path: string, most: number): Promise<string> {
  const file = await open(path, "r").catch(() => undefined);
  if (!file) return "";
  try {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(most) });
    return buffer.subarray(0, bytesRead).toString("utf8");
  } finally {
    await file.close();
  }
}

/** The end of a log without its timestamps. */
async function lastLogLines(path: string): Promise<string> {
  const file = await open(path, "r").catch(() => undefined);
  if (!file) return "";
  try {
    const { size } = await file.stat();
    const length = Math.min(size, FALLBACK_MOST_BYTES * 4);
    const { buffer } = await file.read({ buffer: Buffer.alloc(length), position: size - length });
    const lines = buffer.toString("utf8").split("\n").slice(0, -1);
    const texts = lines
      .slice(-FALLBACK_MOST_LINES)
      .map((line) => line.replace(/^\S+ (stdout|stderr) [FP] /, ""));
    return Buffer.from(`${texts.join("\n")}\n`)
      .subarray(-FALLBACK_MOST_BYTES)
      .toString("utf8");
  } finally {
    await file.close();
  }
}
