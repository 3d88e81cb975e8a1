import type { KubernetesObject } from "../../shared/api/object.ts";
import type { History } from "../../shared/log/history.ts";
import type { Key, Version, Watch } from "../../shared/store/store.ts";
import type { Work } from "./recovery.ts";

const DEPLOYMENTS = "deployments.apps/";
/** Enough to find the commit of a decision that was read a few seconds later. */
const COMMITS_KEPT = 50_000;

/** What can be seen of the cluster in its log: how its Deployments are, and who commits. */
export class LogObserver {
  readonly deployments = new Map<Key, KubernetesObject>();
  /** What nodes' agents wrote. */
  readonly nodeWork: Work[] = [];
  commits = 0;
  revision = 0;
  onDeployment: (key: Key, deployment: KubernetesObject | undefined) => void = () => undefined;
  readonly #history: History;
  readonly #commitTimes = new Map<string, number>();
  #watch: Watch | undefined;

  constructor(history: History) {
    this.#history = history;
  }

  /** Resolves when the present state is here. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#watch = this.#history.logs.cluster.watch("", "snapshot", {
        version: (version) => this.#take(version),
        caughtUp: (revision) => {
          this.revision = Math.max(this.revision, revision);
          resolve();
        },
        failed: reject,
      });
    });
  }

  stop(): void {
    this.#watch?.stop();
  }

  /** Deployments that are not as they shall be. */
  unsettled(): string[] {
    return [...this.deployments].filter(([, each]) => !isComplete(each)).map(([key]) => key);
  }

  /** Pods that all Deployments want, and have available; of one no more than it wants. */
  availability(): { wanted: number; available: number } {
    let [wanted, available] = [0, 0];
    for (const deployment of this.deployments.values()) {
      const replicas: number = deployment["spec"].replicas ?? 1;
      wanted += replicas;
      available += Math.min(replicas, deployment["status"]?.availableReplicas ?? 0);
    }
    return { wanted, available };
  }

  /** When the log took the commit of a trace; undefined when that is not known. */
  commitTime(trace: string): number | undefined {
    return this.#commitTimes.get(trace);
  }

  #take({ key, value, headers, time, more, revision }: Version): void {
    this.revision = revision;
    if (!more) this.commits++;
    this.#commitTimes.set(headers.trace, time);
    if (this.#commitTimes.size > COMMITS_KEPT) {
      const [oldest] = this.#commitTimes.keys();
      this.#commitTimes.delete(oldest as string);
    }
    if (/^node/.test(headers.replica)) {
      this.nodeWork.push({ actor: "node agents", replica: headers.replica, key, at: time });
    }
    if (!key.startsWith(DEPLOYMENTS)) return;
    const object = value === null ? undefined : (JSON.parse(`${value}`) as KubernetesObject);
    if (object === undefined) this.deployments.delete(key);
    else this.deployments.set(key, object);
    this.onDeployment(key, object);
  }
}

/** As `kubectl rollout status` has it. */
export function isComplete({ metadata, spec, status = {} }: KubernetesObject): boolean {
  const replicas = spec.replicas ?? 1;
  return (
    (status.observedGeneration ?? 0) >= (metadata.generation ?? 0) &&
    status.updatedReplicas === replicas &&
    status.replicas === replicas &&
    status.availableReplicas === replicas
  );
}
