import type { KubernetesObject } from "../../shared/api/object.ts";
import type { History } from "../../shared/log/history.ts";
import type { Key, Revision, Version, Watch } from "../../shared/store/store.ts";
import type { Work } from "./recovery.ts";

const DEPLOYMENTS = "deployments.apps/";
/** Enough to know of what was decided when the decision is read a few seconds later. */
const TIMES_KEPT = 100_000;
const PODS = "pods/";

/** What can be seen of the cluster in its log: how its Deployments are, and who commits. */
export class LogObserver {
  readonly deployments = new Map<Key, KubernetesObject>();
  /** What nodes' agents wrote about pods. */
  readonly nodeWork: Work[] = [];
  commits = 0;
  revision = 0;
  onDeployment: (key: Key, deployment: KubernetesObject | undefined) => void = () => undefined;
  readonly #history: History;
  /** By trace, and by revision. */
  readonly #commitTimes = new Map<string | Revision, number>();
  readonly #podsCreated = new Map<Key, number>();
  /** When each pod that is there was last written. */
  readonly #podsWritten = new Map<Key, number>();
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

  /** When the log took a revision, or the commit of a trace; undefined when that is not known. */
  commitTime(of: string | Revision): number | undefined {
    return this.#commitTimes.get(of);
  }

  /** When a pod was created that is there, or was lately. */
  podCreated(key: Key): number | undefined {
    return this.#podsCreated.get(key);
  }

  #take(version: Version): void {
    const { key, value, headers, time, more, revision } = version;
    this.revision = revision;
    if (!more) this.commits++;
    keep(this.#commitTimes, headers.trace, time);
    keep(this.#commitTimes, revision, time);
    if (key.startsWith(PODS)) this.#takePod(version);
    if (!key.startsWith(DEPLOYMENTS)) return;
    const object = value === null ? undefined : (JSON.parse(`${value}`) as KubernetesObject);
    if (object === undefined) this.deployments.delete(key);
    else this.deployments.set(key, object);
    this.onDeployment(key, object);
  }

  #takePod({ key, value, headers, time }: Version): void {
    const before = this.#podsWritten.get(key);
    if (before === undefined) keep(this.#podsCreated, key, time);
    else if (headers.actor === "kubelet") {
      this.nodeWork.push({
        actor: "kubelet",
        replica: headers.replica,
        key,
        at: time,
        due: before,
      });
    }
    if (value === null) this.#podsWritten.delete(key);
    else this.#podsWritten.set(key, time);
  }
}

/** The oldest makes room. */
function keep<Id>(times: Map<Id, number>, id: Id, time: number): void {
  times.set(id, time);
  if (times.size <= TIMES_KEPT) return;
  for (const oldest of times.keys()) {
    times.delete(oldest);
    return;
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
